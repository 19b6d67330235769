-- continuous_mode/set: $1 whether rounds begin. Waits for whoever is just beginning some.
update continuous_mode set enabled = $1

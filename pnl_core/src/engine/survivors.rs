//! Which of a sequence of numbers stay, and what they are called when the others are gone.

/// Numbers below a count, those that stay marked; with it all from the count on.
#[derive(Debug)]
pub(super) struct Survivors {
    /// 64 numbers each.
    words: Vec<Word>,
    count: u32,
    /// How many of those below the count stay.
    kept: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Word {
    /// The lowest bit is the lowest number.
    stays: u64,
    /// How many stay in the words before.
    before: u32,
}

impl Survivors {
    /// Below `count` those stay that `mark_all` hands over, in any order and as often as it likes.
    pub(super) fn new(count: u32, mark_all: impl FnOnce(&mut dyn FnMut(u32))) -> Self {
        let mut words = vec![Word::default(); count.div_ceil(64) as usize];
        mark_all(&mut |number| {
            if number < count {
                words[number as usize / 64].stays |= 1 << (number % 64);
            }
        });
        let mut kept = 0;
        for word in &mut words {
            word.before = kept;
            kept += word.stays.count_ones();
        }
        Self { words, count, kept }
    }

    /// How many of the numbers below the count stay.
    pub(super) fn kept(&self) -> usize {
        self.kept as usize
    }

    pub(super) fn stays(&self, number: u32) -> bool {
        number >= self.count || self.word(number).stays >> (number % 64) & 1 == 1
    }

    /// What a number that stays is called afterwards: they keep their order.
    #[inline(always)]
    pub(super) fn renumbered(&self, number: u32) -> u32 {
        if number >= self.count {
            return self.kept + (number - self.count);
        }
        let Word { stays, before } = self.word(number);
        let lower = stays & !(u64::MAX << (number % 64));
        before + lower.count_ones()
    }

    /// Those that stay of `first..end`, which are below the count.
    pub(super) fn between(&self, first: u32, end: u32) -> impl Iterator<Item = u32> {
        let words = first / 64..end.div_ceil(64);
        words
            .flat_map(move |word| {
                let mut stays = self.words[word as usize].stays;
                std::iter::from_fn(move || {
                    let number = (stays != 0).then(|| word * 64 + stays.trailing_zeros())?;
                    stays &= stays - 1;
                    Some(number)
                })
            })
            .filter(move |number| (first..end).contains(number))
    }

    fn word(&self, number: u32) -> Word {
        self.words[number as usize / 64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_stay_are_numbered_in_their_order() {
        let marked = [0, 63, 64, 70, 127, 129];
        let survivors = Survivors::new(130, |mark| {
            marked.iter().rev().chain([&64, &130, &500]).for_each(|number| mark(*number));
        });
        assert_eq!(survivors.kept(), marked.len());
        for (number, new) in marked.into_iter().chain([130, 131]).zip(0..) {
            assert!(survivors.stays(number), "{number}");
            assert_eq!(survivors.renumbered(number), new, "{number}");
        }
        assert!([1, 62, 65, 128].into_iter().all(|number| !survivors.stays(number)));
        assert_eq!(survivors.between(0, 130).collect::<Vec<_>>(), marked);
        assert_eq!(survivors.between(1, 127).collect::<Vec<_>>(), [63, 64, 70]);
        assert_eq!(survivors.between(65, 65).count(), 0);
    }
}

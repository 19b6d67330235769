//! The memory of this process, as the kernel tells it.

use std::fs;

use serde::Serialize;
use utoipa::ToSchema;

/// Figures in bytes; none where the kernel does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Memory {
    /// In memory now.
    pub resident_bytes: Option<u64>,
    /// The most that it ever was.
    pub peak_bytes: Option<u64>,
    /// Of what is resident that which backs no file: what the allocator holds, and stacks.
    pub anonymous_bytes: Option<u64>,
    /// What the process may have: the limit of its control group, else the memory of the machine.
    pub limit_bytes: Option<u64>,
}

impl Memory {
    /// The figures of now. Some small reads of files that are none.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            resident_bytes: kilobytes(&status, "VmRSS:"),
            peak_bytes: kilobytes(&status, "VmHWM:"),
            anonymous_bytes: kilobytes(&status, "RssAnon:"),
            limit_bytes: limit(),
        }
    }
}

/// The number of the line that begins with `name`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn limit() -> Option<u64> {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemTotal:"));
    let group = fs::read_to_string("/proc/self/cgroup").ok().and_then(|groups| {
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let file = format!("/sys/fs/cgroup{}/memory.max", path.trim_end_matches('/'));
        // `max` is no limit.
        fs::read_to_string(file).ok()?.trim().parse().ok()
    });
    machine.into_iter().chain(group).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let memory = Memory::now();
        let (resident, peak) = (memory.resident_bytes.unwrap(), memory.peak_bytes.unwrap());
        assert!(resident > 1 << 20 && peak > 1 << 20, "{memory:?}");
        assert!(memory.anonymous_bytes.unwrap() <= resident.max(peak), "{memory:?}");
        assert!(memory.limit_bytes.unwrap() > resident, "{memory:?}");
    }

    #[test]
    fn only_numbers_of_kilobytes_are_read() {
        assert_eq!(kilobytes("A: 1 kB\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12_288));
        for text in ["", "VmRSS: x kB", "VmRSS: 12 MB", "VmRSS: 99999999999999999999 kB"] {
            assert_eq!(kilobytes(text, "VmRSS:"), None, "{text}");
        }
    }
}

//! Whether the clock of this machine is right, as far as others tell. Signatures are good for
//! minutes, so a clock that is wrong lets nobody in.

use chrono::TimeDelta;
use nexus_core::Timestamp;
use nexus_core::auth::CLOCK_SKEW;

use crate::wire;

use super::report::{Area, Report};

const ADVICE: &str = "set the clock by a time server: `timedatectl set-ntp true` does it on most \
                      Linux machines";

/// `others`: clocks of other machines, and by how much they are ahead of ours.
pub(super) fn look(
    stored_at: Option<Timestamp>,
    others: &[(String, TimeDelta)],
    report: &mut Report<'_>,
) {
    report.area(Area::Clock);
    let now = wire::now();
    let shown = now.format("%Y-%m-%d %H:%M:%S UTC");
    if let Some(stored_at) = stored_at.filter(|at| *at > now + CLOCK_SKEW) {
        let stored_at = stored_at.format("%Y-%m-%d %H:%M:%S UTC");
        let message = format!("it is {shown} here, but the template was stored at {stored_at}");
        report.fail(message, ADVICE);
        return;
    }
    // One other clock may be wrong; this one is wrong if it agrees with none.
    let nearest = others.iter().min_by_key(|(_, ahead)| ahead.abs());
    match nearest {
        None => report.ok(format!("it is {shown}; nobody else was asked")),
        Some((whose, ahead)) if ahead.abs() > CLOCK_SKEW => {
            let seconds = ahead.num_seconds().abs();
            let direction = if *ahead > TimeDelta::zero() {
                "behind"
            } else {
                "ahead of"
            };
            report.fail(
                format!(
                    "the clock of this machine is {seconds} seconds {direction} that of {whose}"
                ),
                ADVICE,
            );
        }
        Some((whose, _)) => report.ok(format!("it is {shown}, as {whose} says too")),
    }
}

//! The one tool that lives here: what time it is for the person.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::SecondsFormat;
use chrono_tz::Tz;
use nexus_core::identity::TIME_ZONE;
use nexus_core::tools::CURRENT_TIME;
use nexus_core::{Clock, Timestamp};
use nexus_llm::ToolSpec;
use serde_json::{Map, Value, json};

use super::Tool;
use crate::context::RunContext;

/// Tells the time in the time zone that is asked for, else in the person's (`time_zone` in the
/// metadata of the identity), else in UTC.
pub struct CurrentTime {
    clock: Arc<dyn Clock>,
}

impl CurrentTime {
    /// By this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Tool for CurrentTime {
    fn spec(&self) -> ToolSpec {
        let zone = "A name of the IANA time zone database, such as Europe/Berlin. Leave it out for the person's own.";
        ToolSpec {
            name: CURRENT_TIME.into(),
            description: "Tells the current date, time and day of the week.".into(),
            parameters: json!({
                "type": "object",
                "properties": { TIME_ZONE: { "type": "string", "description": zone } },
            }),
        }
    }

    async fn call(
        &self,
        run: &RunContext,
        arguments: Map<String, Value>,
    ) -> Result<String, String> {
        let asked = arguments.get(TIME_ZONE).filter(|zone| !zone.is_null());
        let zone = match asked {
            Some(asked) => zone(asked).ok_or_else(|| {
                "there is no such time zone: use a name such as Europe/Berlin".to_owned()
            })?,
            None => run.identity.time_zone().unwrap_or(Tz::UTC),
        };
        Ok(tell(self.clock.now(), zone))
    }
}

fn zone(name: &Value) -> Option<Tz> {
    name.as_str()?.trim().parse().ok()
}

fn tell(now: Timestamp, zone: Tz) -> String {
    let there = now.with_timezone(&zone);
    let time = there.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{time}, {}, {}", there.format("%A"), zone.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_told_in_the_time_zone_and_its_summer() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let berlin = zone(&json!("Europe/Berlin")).unwrap();
        assert_eq!(
            tell(at("2026-12-31T23:30:00Z"), berlin),
            "2027-01-01T00:30:00+01:00, Friday, Europe/Berlin"
        );
        assert_eq!(
            tell(at("2026-07-01T10:00:00Z"), berlin),
            "2026-07-01T12:00:00+02:00, Wednesday, Europe/Berlin"
        );
        assert_eq!(
            tell(at("2026-07-01T10:00:00Z"), Tz::UTC),
            "2026-07-01T10:00:00Z, Wednesday, UTC"
        );
        for odd in [json!("Berlin"), json!("../../etc/passwd"), json!(1)] {
            assert_eq!(zone(&odd), None, "{odd}");
        }
    }
}

//! Bad days from which everything recovers by itself or by an operator's word: both sides change, listings fail, the grant is
//! gone for a while.

use syncledger::adapters::sandbox::{
    faults::{Kind, Rule},
    model::Model as _,
};

use super::{
    make::Maker,
    story::{CALENDARS, Part},
};

/// A fault of the other side.
fn unwell() -> Kind {
    Kind::Status { status: 503, reason: String::new(), retry_after_s: None, carried_out: false }
}

impl Maker {
    /// Both sides change at once; a person's change is turned down; what was given up is tried again.
    pub async fn second_thoughts(&mut self) {
        let (both, entry) = self.booked(Part::InStep, 2).await;
        let (other, now) = (self.slot(), self.world.now());
        let (starts_at, ends_at) = self.slot();
        {
            let mut source = self.world.uschedule();
            self.world.google().move_entry(CALENDARS[1], &entry, other.0, other.1, now).expect("it is there");
            source.reschedule(&both, starts_at, ends_at, None, now).expect("its slot is free");
        }
        self.recorded("link.conflict_resolved", 1).await;
        self.in_step(&[&both]).await;

        let (rejected, entry) = self.booked(Part::InStep, 2).await;
        let taken = self.world.uschedule().appointment(&both).expect("it is booked").booked.clone();
        let now = self.world.now();
        self.world.google().move_entry(CALENDARS[1], &entry, taken.starts_at, taken.ends_at, now).expect("it is there");
        self.until_row(&rejected, "held", |row| row["held"] == "overlap").await;
        let held = self.told(&["held", "list"]);
        let held =
            held.as_array().and_then(|rows| rows.iter().find(|row| row["booking"] == format!("uschedule.{rejected}")));
        let link = held.and_then(|row| row["link"].as_str()).expect("it is held").to_owned();
        self.told(&["held", "reject", &link]);
        self.recorded("link.remote_change_rejected", 1).await;
        self.in_step(&[&rejected]).await;

        self.world.google().desk().faults.arm(Rule::on(
            "POST",
            "*/bay1*/events",
            Kind::Status { status: 403, reason: "forbidden".into(), retry_after_s: None, carried_out: false },
        ));
        let again = self.book(Part::InStep, 1);
        self.until_row(&again, "given up", |row| row["status"] == "FAILED").await;
        let dead = self.told(&["attempts", "dead"]);
        self.told(&["attempts", "reprocess", dead[0]["letter"].as_str().expect("it has an id")]);
        self.in_step(&[&again]).await;

        // From one bay to another: its entry goes with it.
        let (reassigned, _) = self.booked(Part::InStep, 1).await;
        let now = self.world.now();
        self.world.uschedule().reassign(&reassigned, "bay-2", now).expect("it is free");
        self.moved_to(&reassigned, CALENDARS[1]);
        self.in_step(&[&reassigned]).await;
        self.wait("the entry before to be gone", async |world| {
            world.google().entries_with(CALENDARS[0], "uscheduleAppointmentId", &reassigned).is_empty()
        })
        .await;
    }

    /// Listings fail, sync tokens end, a notification is not what it says, and the grant is gone for a while.
    pub async fn outages(&mut self) {
        self.world.google().desk().faults.arm(Rule::on("GET", "*/bay2*/events", unwell()));
        self.world.uschedule().desk().faults.arm(Rule::on("GET", "*/appointments", unwell()));
        self.recorded("calendar.pull_failed", 1).await;
        self.recorded("source.poll_failed", 1).await;
        self.world.google().expire_sync_tokens();
        self.recorded("calendar.cursor_invalidated", CALENDARS.len() + 1).await;
        self.recorded("calendar.coverage_proven", 2 * (CALENDARS.len() + 1)).await;
        self.notified_by_a_stranger().await;

        self.world.google().revoke_grants();
        self.recorded("connection.revoked", 2).await;
        let appointment = self.book(Part::InStep, 1);
        self.until_row(&appointment, "withheld", |row| row["withheld"] == "connection_revoked").await;
        self.world.google().restore_service_account();
        // It is looked for when the program starts.
        self.start_again().await;
        self.recorded("connection.reauthorised", 2).await;
        self.in_step(&[&appointment]).await;
    }

    async fn notified_by_a_stranger(&self) {
        let now = self.world.now();
        let channel = self.world.google().live_channels(now).first().map(|(id, ..)| (*id).to_owned());
        let notified = reqwest::Client::new()
            .post(format!("http://127.0.0.1:{}/webhook/gcal", self.port))
            .header("x-goog-channel-id", channel.expect("there is a channel"))
            .header("x-goog-channel-token", "guessed")
            .header("x-goog-resource-id", "resource")
            .header("x-goog-resource-state", "exists")
            .header("x-goog-message-number", "7")
            .send()
            .await
            .expect("it answers");
        assert_eq!(notified.status().as_u16(), 401, "{:?}", notified.text().await);
        self.recorded("calendar.notification_rejected", 1).await;
    }
}

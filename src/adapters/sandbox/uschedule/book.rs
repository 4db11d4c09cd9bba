//! The booking rules, shared by the API and the customers' app.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Appointment, NewAppointment, Status, USchedule};

/// Why an appointment is not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The appointment does not exist.
    #[error("there is no appointment {0}")]
    Unknown(String),
    /// The resource is already booked at that time.
    #[error("{resource} is booked then, as appointment {by}")]
    SlotTaken {
        /// The resource.
        resource: String,
        /// The other appointment.
        by: String,
    },
    /// It is already cancelled.
    #[error("appointment {0} is cancelled")]
    Cancelled(String),
    /// It does not end after it starts.
    #[error("an appointment ends after it starts")]
    NoDuration,
    /// It has no resource.
    #[error("an appointment needs a resource")]
    NoResource,
}

impl USchedule {
    /// A customer books. Returns the appointment's id.
    ///
    /// # Errors
    /// [`Refusal`], and nothing changes.
    pub fn create(&mut self, new: NewAppointment, now: DateTime<Utc>) -> Result<String, Refusal> {
        let booked =
            NewAppointment { starts_at: new.starts_at.trunc_subsecs(0), ends_at: new.ends_at.trunc_subsecs(0), ..new };
        if booked.resource.is_empty() {
            return Err(Refusal::NoResource);
        }
        self.check_slot(&booked, None)?;
        let id = format!("appt_{:06}", self.made + 1);
        self.made += 1;
        let appointment = Appointment { id: id.clone(), status: Status::Booked, booked, revision: 0, updated_at: now };
        self.keep(appointment, "appointment.created", now);
        Ok(id)
    }

    /// A customer moves it to another time. Moving it to the same time changes nothing.
    ///
    /// # Errors
    /// [`Refusal`], and nothing changes.
    pub fn reschedule(
        &mut self,
        id: &str,
        starts_at: DateTime<Utc>,
        ends_at: DateTime<Utc>,
        time_zone: Option<Tz>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let mut appointment = self.appointments.get(id).ok_or_else(|| Refusal::Unknown(id.into()))?.clone();
        if appointment.status == Status::Cancelled {
            return Err(Refusal::Cancelled(id.into()));
        }
        let before = appointment.booked.clone();
        appointment.booked.starts_at = starts_at.trunc_subsecs(0);
        appointment.booked.ends_at = ends_at.trunc_subsecs(0);
        appointment.booked.time_zone = time_zone.unwrap_or(before.time_zone);
        self.check_slot(&appointment.booked, Some(id))?;
        if appointment.booked != before {
            self.keep(appointment, "appointment.updated", now);
        }
        Ok(())
    }

    /// A customer moves it to another resource. Moving it to the same one changes nothing.
    ///
    /// # Errors
    /// [`Refusal`], and nothing changes.
    pub fn reassign(&mut self, id: &str, resource: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
        let mut appointment = self.appointments.get(id).ok_or_else(|| Refusal::Unknown(id.into()))?.clone();
        if appointment.status == Status::Cancelled {
            return Err(Refusal::Cancelled(id.into()));
        }
        if resource.is_empty() {
            return Err(Refusal::NoResource);
        }
        if appointment.booked.resource == resource {
            return Ok(());
        }
        appointment.booked.resource = resource.to_owned();
        self.check_slot(&appointment.booked, Some(id))?;
        self.keep(appointment, "appointment.updated", now);
        Ok(())
    }

    /// A customer changes service and notes.
    ///
    /// # Errors
    /// [`Refusal`], and nothing changes.
    pub fn describe(
        &mut self,
        id: &str,
        service: &str,
        notes: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let mut appointment = self.appointments.get(id).ok_or_else(|| Refusal::Unknown(id.into()))?.clone();
        if appointment.status == Status::Cancelled {
            return Err(Refusal::Cancelled(id.into()));
        }
        appointment.booked.service = service.into();
        appointment.booked.notes = notes.map(str::to_owned);
        self.keep(appointment, "appointment.updated", now);
        Ok(())
    }

    /// A customer cancels it. Cancelling again changes nothing.
    ///
    /// # Errors
    /// [`Refusal::Unknown`].
    pub fn cancel(&mut self, id: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
        let mut appointment = self.appointments.get(id).ok_or_else(|| Refusal::Unknown(id.into()))?.clone();
        if appointment.status == Status::Booked {
            appointment.status = Status::Cancelled;
            self.keep(appointment, "appointment.cancelled", now);
        }
        Ok(())
    }

    /// An appointment.
    pub fn appointment(&self, id: &str) -> Option<&Appointment> {
        self.appointments.get(id)
    }

    /// All appointments, including cancelled ones, by id.
    pub fn appointments(&self) -> impl Iterator<Item = &Appointment> {
        self.appointments.values()
    }

    fn check_slot(&self, slot: &NewAppointment, own: Option<&str>) -> Result<(), Refusal> {
        if slot.ends_at <= slot.starts_at {
            return Err(Refusal::NoDuration);
        }
        let overlaps = |other: &&Appointment| {
            other.status == Status::Booked
                && Some(other.id.as_str()) != own
                && other.booked.resource == slot.resource
                && other.booked.starts_at < slot.ends_at
                && slot.starts_at < other.booked.ends_at
        };
        match self.appointments.values().find(overlaps) {
            None => Ok(()),
            Some(other) => Err(Refusal::SlotTaken { resource: slot.resource.clone(), by: other.id.clone() }),
        }
    }

    /// Stores an appointment's new state and queues a webhook.
    fn keep(&mut self, mut appointment: Appointment, kind: &'static str, now: DateTime<Utc>) {
        self.changes += 1;
        // A cursor is the time of the last change seen, so no two changes may share one.
        self.last_update = now.trunc_subsecs(6).max(self.last_update + TimeDelta::microseconds(1));
        appointment.updated_at = self.last_update;
        appointment.revision += 1;
        self.announce(kind, &appointment, now);
        self.appointments.insert(appointment.id.clone(), appointment);
    }
}

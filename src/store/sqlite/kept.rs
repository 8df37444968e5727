//! How a task's values are stored in columns, and read back without trusting them.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use uuid::Uuid;

use crate::http::format::Format;
use crate::model::task::TaskState;
use crate::model::transform::Transform;

/// A value as stored.
pub(super) struct KeptRow<T>(pub(super) T);

/// The 16 bytes.
impl ToSql for KeptRow<Uuid> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for KeptRow<Uuid> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 16]>::column_result(value).map(|bytes| Self(Uuid::from_bytes(bytes)))
    }
}

/// Milliseconds since 1970; earlier times become 1970.
impl ToSql for KeptRow<SystemTime> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for KeptRow<SystemTime> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let since = Duration::from_millis(u64::column_result(value)?);
        UNIX_EPOCH.checked_add(since).map(Self).ok_or(FromSqlError::InvalidType)
    }
}

/// The format's usual file extension.
impl ToSql for KeptRow<Format> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.extension().into())
    }
}

impl FromSql for KeptRow<Format> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Format::from_parameter(value.as_str()?).map(Self).ok_or(FromSqlError::InvalidType)
    }
}

/// The schema has the same numbers, but can't name them.
impl FromSql for KeptRow<TaskState> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        const STATES: [TaskState; 5] =
            [TaskState::Pending, TaskState::Running, TaskState::Done, TaskState::Failed, TaskState::Expired];
        let state = usize::column_result(value).ok().and_then(|number| STATES.get(number));
        state.map(|&state| Self(state)).ok_or(FromSqlError::InvalidType)
    }
}

/// Its canonical text.
impl FromSql for KeptRow<Transform> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Transform::parse(value.as_str()?).map(Self).ok_or(FromSqlError::InvalidType)
    }
}

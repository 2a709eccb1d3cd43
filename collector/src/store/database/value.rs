//! What stands in a column.

use super::DatabaseError;

/// What stands in a column, or in the place of a `$1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Nothing.
    Null,
    /// Of a BIGINT; truth is 0 or 1.
    Integer(i64),
    /// Of a TEXT. PostgreSQL takes no NUL character: who takes texts from outside leaves those out.
    Text(&'a str),
    /// Of a BYTEA.
    Octets(&'a [u8]),
}

/// Whatever can be read from a column.
pub(crate) trait FromValue<'a>: Sized {
    /// `None` when the column holds something else.
    fn from_value(value: Value<'a>) -> Option<Self>;
}

/// The columns of a row, as an engine gives them.
pub(super) trait Columns {
    /// The column `index`, counted from 0; `None` when there is none, or it is of no kind that the store has.
    fn value(&self, index: usize) -> Option<Value<'_>>;
}

/// A row of an answer.
pub(crate) struct Row<'a>(pub(super) &'a dyn Columns);

impl Row<'_> {
    /// The column `index`, counted from 0.
    ///
    /// # Errors
    /// When it holds something else than what is asked for.
    pub(crate) fn get<'r, T: FromValue<'r>>(&'r self, index: usize) -> Result<T, DatabaseError> {
        self.0
            .value(index)
            .and_then(T::from_value)
            .ok_or(DatabaseError::Column { index })
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Octets(octets)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(octets: &'a Vec<u8>) -> Self {
        Self::Octets(octets)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A count that is larger than any that is kept stands as the largest one.
impl From<u64> for Value<'_> {
    fn from(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    fn from(count: usize) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

macro_rules! fits_an_integer {
    ($($number:ty),*) => {$(
        impl From<$number> for Value<'_> {
            fn from(number: $number) -> Self {
                Self::Integer(i64::from(number))
            }
        }
    )*};
}
fits_an_integer!(i64, i32, u32, u8, bool);

macro_rules! read_from_an_integer {
    ($($number:ty),*) => {$(
        impl FromValue<'_> for $number {
            fn from_value(value: Value<'_>) -> Option<Self> {
                match value {
                    Value::Integer(number) => number.try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}
read_from_an_integer!(i64, u32, u8);

impl FromValue<'_> for bool {
    fn from_value(value: Value<'_>) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl<'a> FromValue<'a> for &'a str {
    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl FromValue<'_> for String {
    fn from_value(value: Value<'_>) -> Option<Self> {
        <&str>::from_value(value).map(str::to_owned)
    }
}

impl<'a> FromValue<'a> for &'a [u8] {
    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Octets(octets) => Some(octets),
            _ => None,
        }
    }
}

impl FromValue<'_> for Vec<u8> {
    fn from_value(value: Value<'_>) -> Option<Self> {
        <&[u8]>::from_value(value).map(<[u8]>::to_vec)
    }
}

impl<'a, T: FromValue<'a>> FromValue<'a> for Option<T> {
    fn from_value(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

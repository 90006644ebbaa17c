//! The types whose values a cell holds as they are.

use std::net::IpAddr;

use ::uuid::Uuid;

use super::{Column, ColumnError, ColumnType, Value};
use crate::timestamp::Timestamp;

macro_rules! plain {
    ($($ty:ty => $column:ident($kind:ident), $wanted:literal;)+) => {$(
        impl Column for $ty {
            const TYPE: ColumnType = ColumnType::$column;

            fn to_value(&self) -> Result<Value, ColumnError> {
                Ok(Value::$kind(self.clone()))
            }

            fn from_value(value: Value) -> Result<Self, ColumnError> {
                match value {
                    Value::$kind(value) => Ok(value),
                    other => Err(ColumnError::unexpected($wanted, &other)),
                }
            }
        }
    )+};
}

plain! {
    bool => Bool(Bool), "a boolean";
    f64 => Double(Float), "a float";
    String => Text(Text), "text";
    Vec<u8> => Bytes(Bytes), "bytes";
    Uuid => Uuid(Uuid), "a UUID";
    IpAddr => Ip(Ip), "an IP address";
    Timestamp => Timestamp(Timestamp), "a timestamp";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::tests::{refusal, round_trip};

    #[test]
    fn both_booleans_survive_and_an_integer_is_none() {
        assert!(round_trip(&true) && !round_trip(&false));
        assert_eq!(refusal::<bool>(Value::Int(1)), "expected a boolean, found an integer");
    }

    #[test]
    fn any_text_survives() {
        for text in ["", "a\0b", "grüße 🦀", &"x".repeat(65_536)] {
            assert_eq!(round_trip(&text.to_owned()), text);
        }
    }

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(round_trip(&all), all);
        assert_eq!(round_trip(&Vec::<u8>::new()), b"");
    }

    #[test]
    fn the_first_and_the_last_uuid_survive() {
        assert_eq!(round_trip(&Uuid::nil()), Uuid::nil());
        assert_eq!(round_trip(&Uuid::max()), Uuid::max());
    }

    #[test]
    fn addresses_of_both_kinds_survive_and_stay_apart() {
        for text in ["0.0.0.0", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(round_trip(&address), address);
        }
    }

    #[test]
    fn the_first_and_the_last_instant_survive() {
        for micros in [i64::MIN, -1, 0, i64::MAX] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(round_trip(&instant), instant);
        }
    }
}

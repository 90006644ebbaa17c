//! Integers and `f32`. An unsigned integer uses the next wider column, because SQL's integers are
//! signed.

use super::{Column, ColumnError, ColumnType, Value};

macro_rules! integer {
    ($($ty:ident => $column:ident $(within $range:expr)?,)+) => {$(
        impl Column for $ty {
            const TYPE: ColumnType = ColumnType::$column;
            $(const RANGE: Option<(i64, i64)> = Some($range);)?

            fn to_value(&self) -> Result<Value, ColumnError> {
                Ok(Value::Int(i64::from(*self)))
            }

            fn from_value(value: Value) -> Result<Self, ColumnError> {
                match value {
                    Value::Int(value) => $ty::try_from(value).map_err(|_| {
                        ColumnError::new(concat!("the integer does not fit \
                            `", stringify!($ty), "`"))
                    }),
                    other => Err(ColumnError::unexpected("an integer", &other)),
                }
            }
        }
    )+};
}

integer! {
    i16 => SmallInt,
    i32 => Integer,
    i64 => BigInt,
    u8 => SmallInt within (0, 255),
    u16 => Integer within (0, 65_535),
    u32 => BigInt within (0, 4_294_967_295),
}

impl Column for f32 {
    const TYPE: ColumnType = ColumnType::Real;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Float(f64::from(*self)))
    }

    /// Rounds a number that `f32` cannot hold exactly to the nearest one that it can. A number
    /// outside the range of `f32` is an error.
    fn from_value(value: Value) -> Result<Self, ColumnError> {
        let wide = f64::from_value(value)?;
        let narrow = wide as f32;
        if wide.is_finite() && narrow.is_infinite() {
            return Err(ColumnError::new("the float does not fit `f32`"));
        }
        Ok(narrow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::tests::{refusal, round_trip};

    #[test]
    fn the_extremes_of_every_integer_survive() {
        macro_rules! check {
            ($($ty:ident)+) => {$(
                for value in [$ty::MIN, 0, $ty::MAX] {
                    assert_eq!(round_trip(&value), value);
                }
            )+};
        }
        check!(i16 i32 i64 u8 u16 u32);
    }

    #[test]
    fn an_integer_out_of_range_is_refused_not_wrapped() {
        assert_eq!(refusal::<u8>(Value::Int(256)), "the integer does not fit `u8`");
        assert_eq!(refusal::<u32>(Value::Int(-1)), "the integer does not fit `u32`");
        assert_eq!(refusal::<i16>(Value::Int(32_768)), "the integer does not fit `i16`");
    }

    #[test]
    fn every_column_is_wide_enough_for_its_type() {
        assert_eq!(u8::TYPE, ColumnType::SmallInt);
        assert_eq!(u16::TYPE, ColumnType::Integer);
        assert_eq!(u32::TYPE, ColumnType::BigInt);
    }

    #[test]
    fn the_extremes_of_every_float_survive_to_the_bit() {
        for value in [f64::MIN, -0.0, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, f64::NAN] {
            assert_eq!(round_trip(&value).to_bits(), value.to_bits());
        }
        for value in [f32::MIN, -0.0, f32::from_bits(1), f32::MAX, f32::NEG_INFINITY, f32::NAN] {
            assert_eq!(round_trip(&value).to_bits(), value.to_bits());
        }
    }

    #[test]
    fn a_float_past_the_range_of_f32_is_refused() {
        assert_eq!(refusal::<f32>(Value::Float(f64::MAX)), "the float does not fit `f32`");
    }
}

//! `IpAddr` as an IP address.

use std::net::IpAddr;

use super::{Column, ColumnError, ColumnType};
use crate::column::Value;

impl Column for IpAddr {
    const TYPE: ColumnType = ColumnType::Ip;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Ip(*self))
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Ip(address) => Ok(address),
            other => Err(ColumnError::unexpected("an IP address", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crate::column::tests::round_trip;

    #[test]
    fn addresses_of_both_kinds_survive_and_stay_apart() {
        for text in ["0.0.0.0", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(round_trip(&address), address);
        }
    }
}

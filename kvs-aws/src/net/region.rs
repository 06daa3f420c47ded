//! Regions and the partitions they lie in.

use std::fmt;
use std::str::FromStr;

use kvs_types::{FieldProblem, InvalidField};

/// An AWS region by its code, for example `eu-central-1`.
///
/// Any code of the right shape is taken: regions open faster than libraries are released.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

/// The group of regions with its own domain names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Partition {
    /// The public regions.
    Aws,
    /// China.
    Cn,
    /// GovCloud, United States.
    UsGov,
    /// Isolated, `us-iso-`.
    Iso,
    /// Isolated, `us-isob-`.
    IsoB,
    /// European Sovereign Cloud.
    Eusc,
}

impl Region {
    /// Takes a region code: lower-case letters, digits and inner hyphens, 1 to 32 characters.
    ///
    /// # Errors
    /// When the shape is another one: the code goes into host names and signatures.
    pub fn new(code: impl Into<String>) -> Result<Self, InvalidField> {
        const MOST: usize = 32;
        let code = code.into();
        let shape = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        kvs_types::__internal::check_text("Region", &code, (1, MOST), "lower-case letters, digits and '-'", shape)?;
        if code.starts_with('-') || code.ends_with('-') {
            let allowed = "a code that neither starts nor ends with '-'";
            return Err(InvalidField::new("Region", FieldProblem::Character { character: '-', allowed }));
        }
        Ok(Self(code))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition, told by the first letters of the code.
    #[must_use]
    pub fn partition(&self) -> Partition {
        match self.0.as_str() {
            code if code.starts_with("cn-") => Partition::Cn,
            code if code.starts_with("us-gov-") => Partition::UsGov,
            code if code.starts_with("us-isob-") => Partition::IsoB,
            code if code.starts_with("us-iso-") => Partition::Iso,
            code if code.starts_with("eusc-") => Partition::Eusc,
            _ => Partition::Aws,
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.0)
    }
}

impl FromStr for Region {
    type Err = InvalidField;

    fn from_str(code: &str) -> Result<Self, InvalidField> {
        Self::new(code)
    }
}

impl Partition {
    /// The domain of ordinary and FIPS endpoints.
    #[must_use]
    pub const fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::UsGov => "amazonaws.com",
            Self::Cn => "amazonaws.com.cn",
            Self::Iso => "c2s.ic.gov",
            Self::IsoB => "sc2s.sgov.gov",
            Self::Eusc => "amazonaws.eu",
        }
    }

    /// The domain of endpoints that speak IPv4 and IPv6.
    #[must_use]
    pub const fn dual_stack_dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::UsGov => "api.aws",
            Self::Cn => "api.amazonwebservices.com.cn",
            Self::Iso => "api.aws.ic.gov",
            Self::IsoB => "api.aws.scloud",
            Self::Eusc => "api.amazonwebservices.eu",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_with_other_characters_are_refused_with_the_character() {
        assert_eq!(
            Region::new("us east").unwrap_err().to_string(),
            "Region: must consist of lower-case letters, digits and '-', got ' '"
        );
        assert!(Region::new("").is_err());
        assert!(Region::new("-us").is_err());
        assert!(Region::new("a.evil.example").is_err());
    }
}

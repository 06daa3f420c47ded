//! Regions and their partitions.

use std::fmt;
use std::str::FromStr;

use kvs_types::__internal::check_text;
use kvs_types::{FieldProblem, InvalidField};

/// The code of an AWS region, for example `eu-central-1`.
///
/// Unknown codes are accepted, because AWS opens regions faster than this crate is released.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

/// A group of regions with its own domain names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Partition {
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
    /// Checks and wraps a region code: 1 to 32 lower-case letters, digits and hyphens, without a hyphen at either end.
    ///
    /// # Errors
    /// Returns an error for any other text, because the code becomes part of host names and signatures.
    pub fn new(code: impl Into<String>) -> Result<Self, InvalidField> {
        const MAX_CHARS: usize = 32;
        let code = code.into();
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        check_text("Region", &code, (1, MAX_CHARS), "lower-case letters, digits and '-'", is_allowed)?;
        if code.starts_with('-') || code.ends_with('-') {
            let allowed = "a code that neither starts nor ends with '-'";
            return Err(InvalidField::new("Region", FieldProblem::Character { character: '-', allowed }));
        }
        Ok(Self(code))
    }

    /// Returns the code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the partition, derived from the prefix of the code.
    pub(crate) fn partition(&self) -> Partition {
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
    pub(crate) const ALL: [Self; 6] = [Self::Aws, Self::Cn, Self::UsGov, Self::Iso, Self::IsoB, Self::Eusc];

    /// Returns the domain of IPv4 endpoints, FIPS or not.
    pub(crate) const fn dns_suffix(self) -> &'static str {
        match self {
            Self::Aws | Self::UsGov => "amazonaws.com",
            Self::Cn => "amazonaws.com.cn",
            Self::Iso => "c2s.ic.gov",
            Self::IsoB => "sc2s.sgov.gov",
            Self::Eusc => "amazonaws.eu",
        }
    }

    /// Returns the domain of dual-stack endpoints.
    pub(crate) const fn dual_stack_dns_suffix(self) -> &'static str {
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
    fn rejects_invalid_codes_and_names_the_character() {
        assert_eq!(
            Region::new("us east").unwrap_err().to_string(),
            "Region: must consist of lower-case letters, digits and '-', got ' '"
        );
        assert!(Region::new("").is_err());
        assert!(Region::new("-us").is_err());
        assert!(Region::new("a.evil.example").is_err());
    }
}

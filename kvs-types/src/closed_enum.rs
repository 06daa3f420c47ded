//! Enumerations of the service that do not grow.

/// Declares such an enumeration over strings, with `as_str`, `Display`, `FromStr` and serde.
macro_rules! closed_enum {
    ($(#[$meta:meta])* pub enum $name:ident ($field:literal: $expected:literal) {
        $($(#[$doc:meta])* $variant:ident = $text:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub enum $name {
            $($(#[$doc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $variant,)+
        }

        impl $name {
            /// Returns the word that the service uses.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::InvalidField;

            fn from_str(text: &str) -> Result<Self, $crate::InvalidField> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::InvalidField::malformed($field, $expected, text)),
                }
            }
        }
    };
}
pub(crate) use closed_enum;

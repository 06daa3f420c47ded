//! Enumerations of the service that may grow: known words are variants, unknown words are kept unchanged.

/// Declares such an enumeration over strings, with `as_str`, `Display`, `From<&str>` and serde.
#[doc(hidden)]
#[macro_export]
macro_rules! __open_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// A word that this version does not know, as received.
            Other(String),
        }

        impl $name {
            /// Returns the word that the service uses.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        $crate::__open_enum_serde!($name);
    };
}

/// Implements serde for an open enumeration.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __open_enum_serde {
    ($name:ident) => {
        impl $crate::__internal::serde::Serialize for $name {
            fn serialize<S: $crate::__internal::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> $crate::__internal::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::__internal::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str> as $crate::__internal::serde::Deserialize<'de>>::deserialize(
                    deserializer,
                )?;
                Ok(Self::from(word.as_ref()))
            }
        }
    };
}

/// Implements nothing: the feature `serde` is off.
#[cfg(not(feature = "serde"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __open_enum_serde {
    ($name:ident) => {};
}

pub(crate) use crate::__open_enum as open_enum;

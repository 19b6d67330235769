//! How keys are sent.

use utoipa::openapi::RefOr;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

const BEARER: &str = "bearer";
const HEADER: &str = "header";

/// The two ways.
pub fn schemes() -> [(String, RefOr<SecurityScheme>); 2] {
    let told = "A key, where the service asks for one (`auth.mode = \"keys\"`)";
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(told)).build();
    let header = ApiKeyValue::with_description("X-API-Key", told);
    [
        (BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer))),
        (HEADER.to_owned(), RefOr::T(SecurityScheme::ApiKey(ApiKey::Header(header)))),
    ]
}

/// One of them, or none where the service asks for no key.
pub fn required() -> Vec<SecurityRequirement> {
    let by = |name| SecurityRequirement::new::<_, [&str; 0], &str>(name, []);
    vec![by(BEARER), by(HEADER), SecurityRequirement::default()]
}

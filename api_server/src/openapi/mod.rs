//! The description of the HTTP interface, made where the routes are made.
//!
//! A route enters the router only together with its [`Operation`], so none can be missing in the
//! document. The shapes of answers come from the types that are serialized, or, for types of other
//! crates and documents that are written piece by piece, from [`shapes`]; the tests of the interface
//! hold every answer against the document, unknown members included.

mod headers;
mod operation;
pub mod page;
pub mod params;
mod security;
pub mod shapes;

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{get, post};
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, Paths, RefOr, Schema};

use headers::Told;
pub use operation::Operation;

use crate::app::AppState;
use crate::problems;
use crate::slo::RouteClass;

/// Routes and what describes them.
#[derive(Default)]
pub struct Api {
    router: Router<AppState>,
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
    headers: BTreeSet<Told>,
    classes: HashMap<String, RouteClass>,
}

impl Api {
    /// With `GET path`.
    #[must_use]
    pub fn get<H, T>(mut self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.route(path, get(handler));
        self.describe(path, HttpMethod::Get, operation)
    }

    /// With `POST path`.
    #[must_use]
    pub fn post<H, T>(mut self, path: &str, handler: H, operation: Operation) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.route(path, post(handler));
        self.describe(path, HttpMethod::Post, operation)
    }

    /// Also with the routes of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.paths.merge(other.paths);
        self.schemas.extend(other.schemas);
        self.headers.extend(other.headers);
        self.classes.extend(other.classes);
        self
    }

    /// With something around all routes so far.
    #[must_use]
    pub fn map(mut self, change: impl FnOnce(Router<AppState>) -> Router<AppState>) -> Self {
        self.router = change(self.router);
        self
    }

    /// Whose routes so far are described as answered to holders of keys alone, where keys are asked for.
    #[must_use]
    pub fn keyed(mut self) -> Self {
        for item in self.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                operation.security = Some(security::required());
            }
        }
        self
    }

    /// What is expected of the time of each route. All methods of a path have the same class.
    pub fn classes(self) -> HashMap<String, RouteClass> {
        self.classes
    }

    /// The routes.
    pub fn into_router(self) -> Router<AppState> {
        self.router
    }

    fn describe(mut self, path: &str, method: HttpMethod, operation: Operation) -> Self {
        self.classes.insert(path.to_owned(), operation.class);
        let (described, schemas, headers) = operation.into_parts(path);
        self.schemas.extend(schemas);
        self.headers.extend(headers);
        self.paths.add_path_operation(path, vec![method], described);
        self
    }

    /// The document of these routes.
    pub fn into_document(self) -> OpenApi {
        let mut info = Info::new("pnl-tracker", env!("CARGO_PKG_VERSION"));
        info.description = Some(DESCRIPTION.to_owned());
        let mut components = Components::new();
        components.schemas.extend(self.schemas);
        components.headers = headers::described(&self.headers);
        components.security_schemes.extend(security::schemes());
        let problems: Vec<_> = problems::ALL
            .iter()
            .map(|problem| {
                json!({ "code": problem.code, "description": problem.description,
                        "status": problem.status.as_u16(), "title": problem.title })
            })
            .collect();
        let fields: Vec<_> = problems::FIELD_CODES
            .iter()
            .map(|(code, meaning)| json!({ "code": code, "description": meaning }))
            .collect();
        // One extension, and members in the order of their names: the text must be the same each time.
        let errors = json!({ "fields": fields, "problems": problems });
        let extensions = ExtensionsBuilder::new().add("x-errors", errors).build();
        let mut document =
            OpenApiBuilder::new().info(info).paths(self.paths).components(Some(components)).build();
        document.extensions = Some(extensions);
        document
    }
}

const DESCRIPTION: &str = "Profit and loss of crypto wallets, in batches. Money and amounts are decimal text, \
     times RFC 3339 in UTC. Members are added, never renamed: ignore those you do not know, and take enum \
     values that are not listed here. Errors are `application/problem+json`; `x-errors` lists their codes.";

/// The document of the public listener, as it is served and checked in.
pub fn document() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let document = crate::routes::all().into_document();
        let mut text = document.to_pretty_json().expect("the document has texts and numbers only");
        text.push('\n');
        text
    });
    &TEXT
}

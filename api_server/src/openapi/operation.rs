//! One route in the document: what it takes and what it answers.

use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::headers::{self, Told};
use super::params;
use super::shapes::Problem;
use crate::slo::RouteClass;

use Told::{Always, Sometimes};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// An operation, and the shapes and headers that it needs.
type Parts = (utoipa::openapi::path::Operation, Schemas, Vec<Told>);

/// The description of a route; its path parameters are described by their names.
pub struct Operation {
    /// How soon the route is to answer.
    pub(super) class: RouteClass,
    builder: OperationBuilder,
    answers: Vec<(&'static str, Response)>,
    /// Headers of answers with a status, beside those that every answer has.
    told: Vec<(&'static str, Told)>,
    schemas: Schemas,
}

impl Operation {
    /// A route of the group `tag` in one line.
    pub fn new(tag: &str, class: RouteClass, summary: &str) -> Self {
        let told = ExtensionsBuilder::new().add("x-latency-class", class.as_str()).build();
        let operation = Self {
            class,
            builder: OperationBuilder::new().tag(tag).summary(Some(summary)).extensions(Some(told)),
            answers: Vec::new(),
            told: Vec::new(),
            schemas: Vec::new(),
        };
        operation.other::<Problem>("default", "An error", "application/problem+json")
    }

    /// Takes these query parameters or headers.
    #[must_use]
    pub fn takes(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        for parameter in parameters {
            self.builder = self.builder.parameter(parameter);
        }
        self
    }

    /// Takes a JSON body.
    #[must_use]
    pub fn body<T: ToSchema>(mut self, required: bool) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let required = if required { Required::True } else { Required::False };
        let body = RequestBodyBuilder::new()
            .content("application/json", content)
            .required(Some(required))
            .build();
        self.builder = self.builder.request_body(Some(body));
        self
    }

    /// Answers 200 with JSON.
    #[must_use]
    pub fn json<T: ToSchema>(self, description: &str) -> Self {
        self.other::<T>("200", description, "application/json")
    }

    /// Answers 200 with JSON of one of two shapes.
    #[must_use]
    pub fn json_or<T: ToSchema, U: ToSchema>(mut self, description: &str) -> Self {
        let of = [self.reference::<T>(), self.reference::<U>()];
        let either = of.into_iter().fold(
            utoipa::openapi::schema::AnyOfBuilder::new(),
            utoipa::openapi::schema::AnyOfBuilder::item,
        );
        let content = ContentBuilder::new().schema(Some(Schema::AnyOf(either.build()))).build();
        let answer = ResponseBuilder::new().description(description);
        self.answer("200", answer.content("application/json", content).build())
    }

    /// Takes lines of JSON in place of the JSON body.
    #[must_use]
    pub fn or_lines(mut self, media_type: &str) -> Self {
        let lines = ContentBuilder::new().schema(Some(String::schema())).build();
        let mut operation = self.builder.build();
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            body.content.insert(media_type.to_owned(), RefOr::T(lines));
        }
        self.builder = operation.into();
        self
    }

    /// Answers 202 with JSON.
    #[must_use]
    pub fn accepts<T: ToSchema>(self, description: &str) -> Self {
        self.other::<T>("202", description, "application/json")
    }

    /// Answers 200 with a document of another media type.
    #[must_use]
    pub fn text(self, description: &str, media_type: &str) -> Self {
        let content = ContentBuilder::new().schema(Some(String::schema())).build();
        let answer = ResponseBuilder::new().description(description);
        self.answer("200", answer.content(media_type, content).build())
    }

    /// Answers 200 with a stream of events, which OpenAPI 3.1 has no schema for: one is neither for the whole nor
    /// for each.
    #[must_use]
    pub fn streams(self, description: &str, media_type: &str) -> Self {
        let answer = ResponseBuilder::new().description(description);
        self.answer("200", answer.content(media_type, ContentBuilder::new().build()).build())
    }

    /// Answers 204 without a body.
    #[must_use]
    pub fn nothing(self, description: &str) -> Self {
        let answer = ResponseBuilder::new().description(description);
        self.answer("204", answer.build())
    }

    /// Switches the connection to another protocol.
    #[must_use]
    pub fn switches(self, description: &str) -> Self {
        let answer = ResponseBuilder::new().description(description);
        self.answer("101", answer.build())
    }

    /// Whose answer is a file with a name.
    #[must_use]
    pub fn named(self) -> Self {
        self.tells(&["200"], &[Always("Content-Disposition")])
    }

    /// Answers 206 with a part of the file, which has a digest where it is known before it is sent.
    #[must_use]
    pub fn in_parts(self, media_type: &str) -> Self {
        const OF_FILE: [&str; 4] = ["Accept-Ranges", "Digest", "Repr-Digest", "X-Row-Count"];
        let content = ContentBuilder::new().schema(Some(String::schema())).build();
        let answer = ResponseBuilder::new().description("The part that `Range` asks for");
        self.takes(params::range())
            .answer("206", answer.content(media_type, content).build())
            .tells(&["206"], &["Content-Disposition", "Content-Range", "ETag"].map(Always))
            .tells(&["206"], &OF_FILE.map(Always))
            .tells(&["200", "304"], &OF_FILE.map(Sometimes))
            .tells(&["default"], &[Sometimes("Content-Range")])
    }

    /// Answers 304 to whoever sends the tag of the answer back.
    #[must_use]
    pub fn tagged(self) -> Self {
        let answer = ResponseBuilder::new()
            .description("The answer is still the one whose `ETag` came in `If-None-Match`");
        self.takes([params::if_none_match()])
            .answer("304", answer.build())
            .tells(&["304"], &[Always("ETag")])
            .tells(&["200"], &[Sometimes("ETag")])
    }

    /// Whose answers are kept.
    #[must_use]
    pub fn kept(self) -> Self {
        self.tells(&["200", "304", "default"], &[Sometimes("X-Cache")])
            .tells(&["200", "304"], &[Sometimes("Age")])
    }

    /// Whose answers say when to ask again.
    #[must_use]
    pub fn asked_again(self) -> Self {
        self.tells(&["200", "202", "304"], &[Sometimes("Retry-After")])
    }

    /// Whose answers name the stored job, and the wishes that were kept.
    #[must_use]
    pub fn stores(self) -> Self {
        self.tells(&["202"], &["Location", "Retry-After"].map(Always))
            .tells(&["200"], &[Sometimes("Location")])
            .tells(&["200", "202"], &["Idempotent-Replayed", "Preference-Applied"].map(Sometimes))
    }

    /// Which can be asked for in a way that is given up.
    #[must_use]
    pub fn deprecated_in_part(self) -> Self {
        self.tells(&["200", "304"], &["Deprecation", "Link"].map(Sometimes))
    }

    /// Answers with these statuses have these headers.
    fn tells(mut self, statuses: &[&'static str], headers: &[Told]) -> Self {
        let all = statuses.iter().flat_map(|status| headers.iter().map(|told| (*status, *told)));
        self.told.extend(all);
        self
    }

    fn other<T: ToSchema>(
        mut self,
        status: &'static str,
        description: &str,
        media_type: &str,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(self.reference::<T>())).build();
        let answer = ResponseBuilder::new().description(description);
        self.answer(status, answer.content(media_type, content).build())
    }

    fn answer(mut self, status: &'static str, answer: Response) -> Self {
        self.answers.push((status, answer));
        self
    }

    /// A reference to the shape, which joins the document with all that it refers to.
    fn reference<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }

    /// The operation at `path`.
    pub(super) fn into_parts(mut self, path: &str) -> Parts {
        let mut headers = Vec::new();
        for (status, mut answer) in self.answers {
            let own = self.told.iter().filter(|(of, _)| *of == status).map(|(_, told)| *told);
            headers.extend(headers::note(&mut answer, status, self.class, own));
            self.builder = self.builder.response(status, answer);
        }
        let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = names.map(params::in_path);
        let operation = in_path.fold(self.builder, OperationBuilder::parameter).build();
        debug_assert!(
            operation.parameters.iter().flatten().all(|one| matches!(one, RefOr::T(one)
                if one.parameter_in != ParameterIn::Path || path.contains(&one.name))),
            "{path} has the parameters that are described",
        );
        (operation, self.schemas, headers)
    }
}

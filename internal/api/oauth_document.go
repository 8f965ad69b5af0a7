package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

const tokenPath = "/oauth/token"

// addTokens adds the token endpoint. It takes forms, has errors of a shape of its own, and no bearer token: so it is no operation as
// the others are, and described by hand.
func (s *server) addTokens(r chi.Router) {
	r.Post(tokenPath, s.exchange)
	schemas := s.api.OpenAPI().Components.Schemas
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	body := &huma.Schema{Type: huma.TypeObject, Required: []string{"grant_type"}, Properties: map[string]*huma.Schema{
		"grant_type": {Type: huma.TypeString, Enum: []interface{}{grantClientCredentials}}, "client_id": text("Unless it comes by HTTP Basic."),
		"client_secret": text("Unless it comes by HTTP Basic."), "audience": text("Unless the tenant has a default."),
		"scope": text("Names, with spaces between them; all that the grant has unless given."),
	}}
	content := func(schema *huma.Schema) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: schema}}
	}
	refused := schemas.Schema(typeOf[oauthError](), true, "")
	problem := content(&huma.Schema{Ref: "#/components/schemas/Problem"})
	s.api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "token", Method: http.MethodPost, Path: tokenPath, Tags: []string{tagClients}, Summary: "Get a token for a client",
		Description: "RFC 6749, 4.4: with client_credentials, for a client that has a grant for the audience.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/x-www-form-urlencoded": {Schema: body}, "application/json": {Schema: body},
		}},
		Responses: map[string]*huma.Response{
			"200": {Description: "OK", Content: content(schemas.Schema(typeOf[tokenAnswer](), true, ""))},
			"400": {Description: "Bad Request", Content: content(refused)},
			"401": {Description: "Unauthorized", Content: content(refused)},
			"429": {Description: "Too Many Requests", Content: problem},
			"500": {Description: "Internal Server Error", Content: problem},
		},
	})
}

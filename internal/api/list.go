package api

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// listOutput is a list as it is, or with totals around it: which, the request says.
type listOutput struct {
	Body func(huma.Context)
}

func (s *server) list(body interface{}) *listOutput {
	return &listOutput{func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetStatus(http.StatusOK)
		_ = s.api.Marshal(ctx.BodyWriter(), "application/json", body) // the client may be gone
	}}
}

// listAnswer describes both.
func (s *server) listAnswer(bare, withTotals reflect.Type) *huma.Response {
	schemas := s.api.OpenAPI().Components.Schemas
	plain := schemas.Schema(bare, true, "")
	plain.Nullable = false
	return &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{plain, schemas.Schema(withTotals, true, "")}}},
	}}
}

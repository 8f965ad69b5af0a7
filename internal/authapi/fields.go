package authapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// fields is a body, read field by field. What is wrong with any of them is collected, and told at once by done.
type fields struct {
	raw   map[string]json.RawMessage
	known []string
	bad   []string
}

// readJSON takes nothing but JSON: another site's form can't send it.
func readJSON(r *http.Request) (*fields, error) {
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return nil, &problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "The body has to be JSON: send Content-Type: application/json."}
	}
	return decode(r.Body)
}

// readEither takes a form too, as Auth0 does where no browser's session is at stake.
func readEither(r *http.Request) (*fields, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return readJSON(r)
	}
	if err := r.ParseForm(); err != nil {
		if large := (&http.MaxBytesError{}); errors.As(err, &large) {
			return nil, err
		}
		return nil, invalid("The body is no form.")
	}
	f := &fields{raw: map[string]json.RawMessage{}}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			f.bad = append(f.bad, name+": is there more than once")
		}
		f.raw[name], _ = json.Marshal(values[0]) // of a string: never fails
	}
	return f, nil
}

func decode(body io.Reader) (*fields, error) {
	f := &fields{}
	d := json.NewDecoder(body)
	err := d.Decode(&f.raw)
	if large := (&http.MaxBytesError{}); errors.As(err, &large) {
		return nil, err
	}
	if err != nil || f.raw == nil {
		return nil, invalid("The body is no JSON object.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalid("The body has something after its JSON object.")
	}
	return f, nil
}

// text is a string; none is "".
func (f *fields) text(name string) (s string) {
	f.known = append(f.known, name)
	raw, there := f.raw[name]
	if !there {
		return ""
	}
	if string(raw) == "null" || json.Unmarshal(raw, &s) != nil {
		f.bad = append(f.bad, name+": has to be a string")
	}
	if strings.ContainsRune(s, 0) {
		f.bad = append(f.bad, name+": has a zero character")
	}
	return s
}

// required is a string that has to be there.
func (f *fields) required(name string) string {
	s, before := f.text(name), len(f.bad)
	if raw, there := f.raw[name]; s == "" && (!there || string(raw) == `""`) && before == len(f.bad) {
		f.bad = append(f.bad, name+": is required")
	}
	return s
}

// object is a JSON object; none is nil.
func (f *fields) object(name string) json.RawMessage {
	f.known = append(f.known, name)
	raw, there := f.raw[name]
	if !there {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		f.bad = append(f.bad, name+": has to be an object")
	}
	return raw
}

// done is the error of all that is wrong. What wasn't asked for is ignored, as Auth0's API does.
func (f *fields) done() error {
	if len(f.bad) == 0 {
		return nil
	}
	return invalidFields(f.bad)
}

// only is done, and refuses what wasn't asked for.
func (f *fields) only() error {
	for name := range f.raw {
		if !slices.Contains(f.known, name) {
			f.bad = append(f.bad, name+": there is no such field")
		}
	}
	return f.done()
}

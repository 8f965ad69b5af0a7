package oidc

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
)

// readForm reads a body that is a form, or JSON as Auth0's libraries send it, and makes it the request's only form: what the URL says doesn't
// count, as URLs stand in logs.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	r.URL.RawQuery = ""
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		form, err := fromJSON(json.NewDecoder(r.Body))
		if err != nil {
			return err
		}
		r.Form, r.PostForm = form, form
	case "application/x-www-form-urlencoded":
		if err := r.ParseForm(); err != nil {
			return invalid("The body is no form, or too large.")
		}
	default:
		return invalid("The body has to be a form or JSON: say so by Content-Type.")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return invalid("%s is there more than once.", name)
		}
	}
	return nil
}

func errNoObject() error { return errors.New("it is no JSON object of strings") }

// fromJSON makes a form of a JSON object of strings. Numbers and booleans are taken as what is written; null is nothing; a name that is there
// twice is there twice.
func fromJSON(d *json.Decoder) (url.Values, error) {
	d.UseNumber()
	form, err := members(d)
	if err != nil {
		return nil, invalid("The body is no JSON object of strings.")
	}
	return form, nil
}

func members(d *json.Decoder) (url.Values, error) {
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errNoObject()
	}
	form := url.Values{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, _ := key.(string)
		value, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch value := value.(type) {
		case string:
			form.Add(name, value)
		case json.Number:
			form.Add(name, value.String())
		case bool:
			form.Add(name, strconv.FormatBool(value))
		case nil:
		default:
			return nil, errNoObject()
		}
	}
	_, err := d.Token()
	if err == nil && d.More() {
		err = errNoObject()
	}
	return form, err
}

package pages

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// view is what a template is given. Whatever it shows is escaped for its place.
type view struct {
	Title    string
	App      string // where one logs in
	Problem  string // why the form that came before could not go on
	Notice   string // what happened
	Action   string // where the form goes
	Typed    string // the address or name that was typed before
	Username bool   // is asked for too
	Links    links
}

// links lead to the other pages of the login; those that it doesn't have are empty.
type links struct{ Login, Signup, Code, Forgot string }

//go:embed templates
var files embed.FS

// parseViews makes each page's template, inside of the layout.
func parseViews() (map[string]*template.Template, error) {
	layout, err := template.ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	views := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" {
			continue
		}
		t, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if views[name], err = t.ParseFS(files, file); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func (p *Pages) style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeFileFS(w, r, files, "templates/style.css")
}

package pages

import (
	"bytes"
	"fmt"
	"net/http"

	"causeway.dev/internal/support"
)

// supportBundle hands out a zip for whoever helps. It is in the operations log before.
func (p *Pages) supportBundle(w http.ResponseWriter, r *http.Request) {
	i, err := p.operator(r)
	var out bytes.Buffer
	if err == nil {
		_, err = support.Write(r.Context(), i, support.Options{Run: r.PostFormValue("run"), Now: p.now}, &out)
	}
	if err != nil {
		p.cannot(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", support.Name(r.PathValue("instance"), p.now())))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = out.WriteTo(w)
}

package ledger

import "strings"

// Queries are the texts that the ledger has used so far, and those of bulk statements for
// one row, as its database takes them.
func (l *Ledger) Queries() []string {
	var out []string
	l.texts.Range(func(_, text any) bool {
		out = append(out, text.(string))
		return true
	})
	for _, b := range bulks {
		if texts := &b.sqlite; !l.postgres {
			out = append(out, texts[len(texts)-1])
			continue
		}
		text := b.postgres[len(bulkSizes)-1]
		if b == takeKnown {
			continue // SQLite only
		}
		out = append(out, text)
	}
	if !l.postgres {
		out = append(out, addHeld)
	}
	for i := range out {
		out[i] = strings.Join(strings.Fields(out[i]), " ")
	}
	return out
}

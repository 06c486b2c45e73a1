package pages

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/config/edit"
)

// mappingDraft is a mapping that is being edited, as a form has it: with pairs that are not
// whole yet, and replacements that may be there twice. The form carries all of it.
type mappingDraft struct {
	New    bool
	Table  activities.Table // without fields
	Pairs  []draftPair
	Began  began
	Reason string
	Tried  string // who is tried
	Sample string
	Why    string // why values are to be shown
}

// draftPair is one pair.
type draftPair struct {
	edit.Field // without Replace
	Updates    bool
	Replace    []draftReplacement
	Doubt      string // of whoever proposed it
}

type draftReplacement struct{ When, Write string }

// began is what was on file when the edit was begun. It decides nothing but what is told of
// other people's changes: what is saved is checked against the files.
type began struct {
	At    time.Time         `json:"at"`
	Files map[string]string `json:"files"` // digests by path
	Table activities.Table  `json:"table"`
}

// draftOf begins to edit a mapping.
func draftOf(t activities.Table) mappingDraft {
	d := mappingDraft{Table: t, Sample: "100"}
	d.Table.Fields = nil
	for _, f := range t.Fields {
		p := draftPair{Field: f, Updates: f.ApplyUpdates == nil || *f.ApplyUpdates}
		for _, when := range sortedKeys(f.Replace) {
			p.Replace = append(p.Replace, draftReplacement{when, f.Replace[when]})
		}
		p.Field.Replace, p.ApplyUpdates = nil, nil
		d.Pairs = append(d.Pairs, p)
	}
	return d
}

// mapping is what the draft says. What is not filled in at all is left out.
func (d mappingDraft) mapping() activities.Table {
	t := d.Table
	t.Fields = nil
	for _, p := range d.Pairs {
		f := p.Field
		if !p.Updates {
			off := false
			f.ApplyUpdates = &off
		}
		for _, r := range p.Replace {
			if f.Replace == nil {
				f.Replace = map[string]string{}
			}
			f.Replace[r.When] = r.Write
		}
		t.Fields = append(t.Fields, f)
	}
	return t
}

// draftFrom reads what a form sent. Tables and key of a mapping on file are not the form's
// to say: filed has them.
func draftFrom(form url.Values, filed activities.Table, isNew bool) mappingDraft {
	text := func(format string, args ...any) string {
		return strings.TrimSpace(form.Get(fmt.Sprintf(format, args...)))
	}
	on := func(format string, args ...any) bool { return text(format, args...) != "" }
	many := func(most int, format string, args ...any) int {
		n, _ := strconv.Atoi(text(format, args...))
		return max(0, min(n, most))
	}
	d := mappingDraft{New: isNew, Table: filed, Reason: text("reason"), Tried: text("q"), Sample: text("sample"), Why: text("why")}
	d.Began = unpacked(form.Get("began"))
	t := &d.Table
	t.Fields, t.Filter = nil, activities.Table{}.Filter
	t.ApplyDeletes, t.TechnicalValues, t.ClearOptOuts = on("apply_deletes"), on("technical_values"), on("clear_opt_outs")
	t.Merged, t.Erased = text("merged"), text("erased")
	if isNew {
		t.Name, t.Dynamics.Table = text("name"), text("table")
		t.Campaign.Resource, t.Campaign.API, t.Campaign.Key = text("resource"), text("api"), text("key")
	}
	for n := range many(edit.MaxFields+1, "pairs") {
		p := draftPair{Updates: on("upd.%d", n), Doubt: text("doubt.%d", n)}
		p.From, p.To, p.OnTooLong, p.TimeZone = text("from.%d", n), text("to.%d", n), text("long.%d", n), text("zone.%d", n)
		p.LowerCase, p.Parent = on("lower.%d", n), text("parent.%d", n)
		for m := range many(1000, "reps.%d", n) { // spaces of these count
			p.Replace = append(p.Replace, draftReplacement{form.Get(fmt.Sprintf("when.%d.%d", n, m)), form.Get(fmt.Sprintf("write.%d.%d", n, m))})
		}
		d.Pairs = append(d.Pairs, p)
	}
	for n := range many(1000, "conds") {
		c := activities.Condition{Column: text("col.%d", n), Is: text("is.%d", n), Value: form.Get(fmt.Sprintf("val.%d", n))}
		if c.Is == "empty" || c.Is == "not_empty" {
			c.Value = ""
		}
		t.Filter.Where = append(t.Filter.Where, c)
	}
	if t.Filter.DeleteUnmatched = on("delete_unmatched"); text("match") == "any" {
		t.Filter.Match = "any"
	}
	return d
}

// change does what a button of the form says: add-pair, remove-pair-3, up-3, down-3, all-on,
// all-off, add-rep, remove-rep-3-0, add-cond or remove-cond-2. It tells what to look at next.
func (d *mappingDraft) change(do string, form url.Values) (focus string) {
	verb, rest := do, ""
	at := strings.IndexFunc(do, func(r rune) bool { return r >= '0' && r <= '9' })
	if at > 0 {
		verb, rest = strings.TrimSuffix(do[:at], "-"), do[at:]
	}
	first, second, _ := strings.Cut(rest, "-")
	n, errN := strconv.Atoi(first)
	m, errM := strconv.Atoi(second)
	isPair := errN == nil && n < len(d.Pairs)
	switch {
	case verb == "add-pair":
		d.Pairs = append(d.Pairs, draftPair{Updates: true})
		return fmt.Sprintf("from-%d", len(d.Pairs)-1)
	case verb == "remove-pair" && isPair:
		d.Pairs = slices.Delete(d.Pairs, n, n+1)
	case verb == "up" && isPair && n > 0:
		d.Pairs[n], d.Pairs[n-1] = d.Pairs[n-1], d.Pairs[n]
		return fmt.Sprintf("up-%d", n-1)
	case verb == "down" && isPair && n+1 < len(d.Pairs):
		d.Pairs[n], d.Pairs[n+1] = d.Pairs[n+1], d.Pairs[n]
		return fmt.Sprintf("down-%d", n+1)
	case verb == "all-on", verb == "all-off":
		for i := range d.Pairs {
			d.Pairs[i].Updates = verb == "all-on"
		}
	case verb == "add-rep":
		if n, err := strconv.Atoi(form.Get("replacing")); err == nil && n >= 0 && n < len(d.Pairs) {
			d.Pairs[n].Replace = append(d.Pairs[n].Replace, draftReplacement{})
			return fmt.Sprintf("when-%d-%d", n, len(d.Pairs[n].Replace)-1)
		}
	case verb == "remove-rep" && isPair && errM == nil && m < len(d.Pairs[n].Replace):
		d.Pairs[n].Replace = slices.Delete(d.Pairs[n].Replace, m, m+1)
	case verb == "add-cond":
		d.Table.Filter.Where = append(d.Table.Filter.Where, activities.Condition{Is: "equals"})
		return fmt.Sprintf("col-%d", len(d.Table.Filter.Where)-1)
	case verb == "remove-cond" && errN == nil && n < len(d.Table.Filter.Where):
		d.Table.Filter.Where = slices.Delete(d.Table.Filter.Where, n, n+1)
	}
	return ""
}

// Packed is began as a form carries it.
func (b began) Packed() string {
	doc, err := json.Marshal(b)
	if err != nil {
		return ""
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(doc)
	_ = z.Close()
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

// unpacked reads it; a broken one is as if the edit was begun long ago.
func unpacked(s string) (b began) {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return b
	}
	doc, err := io.ReadAll(io.LimitReader(z, maxBegan))
	if err != nil || json.Unmarshal(doc, &b) != nil {
		return began{}
	}
	return b
}

// maxBegan is the most that began may be.
const maxBegan = 8 << 20

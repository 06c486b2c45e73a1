package dataverse

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// tx is one transaction. It locks every table, because a write may read the rows it
// is linked to. If it fails, all its writes are undone.
type tx struct {
	s      *Server
	by     string
	behalf string // the application user, when it writes in the name of by
	now    time.Time
	undo   []func()
	did    []happened        // of which webhooks are told
	refs   map[string]string // Content-ID of a change set -> path of the row
}

type txKey struct{}

// begin locks the tables, always in the same order.
func (s *Server) begin(by string) *tx {
	for _, name := range s.order {
		s.names[name].mu.Lock()
	}
	return &tx{s: s, by: by, now: s.o.Clock.Now(), refs: map[string]string{}}
}

// beginFor begins a transaction of the application user, in the name of a user.
func (s *Server) beginFor(by string) *tx {
	x := s.begin(by)
	if by != applicationUser {
		x.behalf = applicationUser
	}
	return x
}

// end keeps the writes, or undoes them, newest first. Then it unlocks the tables.
func (x *tx) end(keep bool) {
	if !keep {
		for _, undo := range slices.Backward(x.undo) {
			undo()
		}
	}
	for _, name := range x.s.order {
		x.s.names[name].mu.Unlock()
	}
	if keep && len(x.did) > 0 {
		x.s.tell(x)
	}
}

// inTx runs f in the transaction of the request's change set. A request outside of a
// change set gets a transaction of its own.
func (s *Server) inTx(r *http.Request, f func(*tx) *refusal) *refusal {
	if x, ok := r.Context().Value(txKey{}).(*tx); ok {
		return f(x)
	}
	by, bad := s.caller(r)
	if bad != nil {
		return bad
	}
	x := s.beginFor(by)
	bad = f(x)
	x.end(bad == nil)
	return bad
}

func withTx(ctx context.Context, x *tx) context.Context { return context.WithValue(ctx, txKey{}, x) }

// put creates or updates a row and returns it. A new activity starts the process
// that waits for it.
func (x *tx) put(t *table, key string, set []assignment) (*row, *refusal) {
	for _, a := range set {
		if a.column == t.system.key && string(a.value) != `"`+key+`"` {
			return nil, &refusal{400, "0x80040203", "The property '" + t.Key + "' cannot be changed."}
		}
	}
	old, existed := t.rows[key]
	if t.Activity && !existed { // ids are unique among all activity tables
		if _, taken := x.s.names["activitypointer"].find(key); taken {
			return nil, exists
		}
	}
	logged := len(t.log)
	r := t.put(key, set, x.s.version.Add(1), x.now, x.by, x.behalf)
	x.undo = append(x.undo, func() { t.undo(key, old, logged) })
	if existed {
		x.note("Update", t, key, set)
	} else {
		x.note("Create", t, key, set)
	}
	if bad := t.paired(r); bad != nil {
		return nil, bad
	}
	if bad := t.unique(r); bad != nil {
		return nil, bad
	}
	if t.Activity && !existed {
		return r, x.activityCreated(t, r)
	}
	return r, nil
}

// remove deletes a row, and does to the rows that look it up what their columns say.
func (x *tx) remove(t *table, key string) *refusal {
	for _, name := range x.s.order {
		if bad := x.detach(x.s.names[name], t, key); bad != nil {
			return bad
		}
	}
	old, logged := t.rows[key], len(t.log)
	if t.remove(key, x.s.version.Add(1), x.now) {
		x.undo = append(x.undo, func() { t.undo(key, old, logged) })
		x.note("Delete", t, key, nil)
	}
	return nil
}

// detach does to the rows of t that look up a row of parent what their columns say:
// clear the lookup, delete the row, or refuse.
func (x *tx) detach(t, parent *table, key string) *refusal {
	for n, i := range t.links {
		c := t.Columns[i]
		if !slices.ContainsFunc(c.Targets, func(l Target) bool { return l.Table == parent.LogicalName }) {
			continue
		}
		for _, child := range slices.Clone(t.byLink[n][key]) {
			if _, there := t.rows[child]; !there { // deleted with another row
				continue
			}
			var bad *refusal
			switch c.OnDelete {
			case Cascade:
				bad = x.remove(t, child)
			case Restrict:
				bad = &refusal{405, "0x80040227", "The row cannot be deleted because it is associated with another row of " + t.LogicalName + "."}
			default:
				_, bad = x.put(t, child, []assignment{{column: i}})
			}
			if bad != nil {
				return bad
			}
		}
	}
	return nil
}

// undo takes one write back.
func (t *table) undo(key string, old *row, logged int) {
	t.log = t.log[:logged]
	if old == nil {
		t.unset(key)
		return
	}
	t.set(old)
}

// set stores r under its key, and in every index.
func (t *table) set(r *row) {
	if old, ok := t.rows[r.key]; ok {
		t.unindex(old)
	} else {
		t.keys.Insert(r.key)
	}
	t.rows[r.key] = r
	if t.enrols {
		t.server.enroll(t, r)
	}
	for n, i := range t.links {
		if to := linked(r.value(i)); to != "" {
			t.byLink[n][to] = append(t.byLink[n][to], r.key)
		}
	}
	for i := range t.AlternateKeys {
		if v, ok := t.alternate(i, r); ok && t.byAlt[i][v] == "" {
			t.byAlt[i][v] = r.key
		}
	}
}

func (t *table) unset(key string) {
	r, ok := t.rows[key]
	if !ok {
		return
	}
	t.unindex(r)
	delete(t.rows, key)
	if t.enrols {
		t.server.dismiss(key)
	}
	t.keys.Delete(key)
}

// linked returns the key inside the literal of a lookup.
func linked(literal []byte) string {
	if len(literal) < 2 {
		return ""
	}
	return string(literal[1 : len(literal)-1])
}

func (t *table) unindex(r *row) {
	for i := range t.AlternateKeys {
		if v, ok := t.alternate(i, r); ok && t.byAlt[i][v] == r.key {
			delete(t.byAlt[i], v)
		}
	}
	for n, i := range t.links {
		to := linked(r.value(i))
		if to == "" {
			continue
		}
		rest := slices.DeleteFunc(t.byLink[n][to], func(key string) bool { return key == r.key })
		if t.byLink[n][to] = rest; len(rest) == 0 {
			delete(t.byLink[n], to)
		}
	}
}

// unique refuses a row whose alternate key another row holds.
func (t *table) unique(r *row) *refusal {
	for i, k := range t.AlternateKeys {
		if v, ok := t.alternate(i, r); ok && t.byAlt[i][v] != r.key {
			return &refusal{412, "0x80060892", "A record that has the attribute values " + k.Name + " already exists. The entity key requires that this set of attributes contains unique values."}
		}
	}
	return nil
}

// paired refuses a status that does not belong to the state.
func (t *table) paired(r *row) *refusal {
	state, ok := t.byProp["statecode"]
	status, both := t.byProp["statuscode"]
	if !ok || !both || r.value(state) == nil || r.value(status) == nil {
		return nil
	}
	for _, o := range t.Columns[status].Options {
		if literalInt(o.Value) == string(r.value(status)) && literalInt(o.State) == string(r.value(state)) {
			return nil
		}
	}
	return &refusal{400, "0x80048408", string(r.value(status)) + " is not a valid status code for state code " + string(r.value(state)) + " on " + t.LogicalName + "."}
}

package campaign

import "strconv"

// Cardinalities of a link (§4.4).
const (
	ZeroOrOne = "0..1" // a record without its target shows an empty link
	One       = "1"    // a record without its target is hidden until the target comes
)

// What happens to a record when its target is deleted.
const (
	KeepRows = ""         // it stays; its link is empty
	Cascade  = "cascade"  // it is deleted as well
	Restrict = "restrict" // the target cannot be deleted
)

// Join is a link of a resource to another one, by the other's business key.
type Join struct {
	// Link is a field of type Link. With a Column it only shows the target. Without one
	// it stores the target, which is written by its PKey.
	Link string
	// Column holds the business key of the target. The target need not exist yet.
	Column      string
	Target      string // resource
	Cardinality string // ZeroOrOne (default) or One
	OnDelete    string // KeepRows (default), Cascade or Restrict
}

// join is a Join whose names are resolved.
type join struct {
	Join
	field  int // of the column, else of the link
	target *table
}

// connect resolves the joins of all tables.
func (s *Server) connect() {
	for _, name := range s.names {
		t := s.tables[name]
		for _, j := range t.Joins {
			target, known := s.tables[j.Target]
			field, has := t.byName[j.Column]
			if j.Column == "" {
				field, has = t.byName[j.Link]
			}
			if !known || !has {
				continue // a link without a target, such as those of a profile
			}
			t.joins = append(t.joins, join{j, field, target})
			t.hides = t.hides || j.Cardinality == One
			target.named = append(target.named, t)
		}
	}
}

// of finds the record that v names. It is false while there is none, or it is hidden.
func (j *join) of(v view) (*row, bool) {
	text := value(v.data, j.field)
	if text == "" {
		return nil, false
	}
	if j.Column != "" {
		found, ok := j.target.find(text)
		return found, ok && !j.target.hidden(found)
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, false
	}
	found, ok := j.target.byID(id)
	if ok {
		_, ok = j.target.read(found)
	}
	return found, ok && !j.target.hidden(found)
}

// hidden says that a record has a link of cardinality 1 without a target. The API and
// the screens then behave as if the record did not exist, yet its key is taken.
func (t *table) hidden(r *row) bool {
	if !t.hides {
		return false
	}
	v, ok := t.read(r)
	return !ok || t.hiddenView(v)
}

func (t *table) hiddenView(v view) bool {
	if !t.hides {
		return false
	}
	for i := range t.joins {
		j := &t.joins[i]
		if j.Cardinality != One {
			continue
		}
		if _, ok := j.of(v); !ok {
			return true
		}
	}
	return false
}

// names says whether v's join leads to a record of the target.
func (j *join) names(v view, id int64, key string) bool {
	text := value(v.data, j.field)
	if j.Column != "" {
		return text != "" && text == key
	}
	return text == strconv.FormatInt(id, 10)
}

// remove deletes a record, and the records that its joins delete with it.
func (s *Server) remove(t *table, at address, api bool) *problem {
	v, ok := t.read(at.row)
	if !ok {
		return t.missing(at.name)
	}
	key := value(v.data, t.key)
	if r, name := t.restricting(v.id, key); r != nil {
		return failed("PGS-220000 PostgreSQL error: ERROR:  update or delete on table \"%s\" violates foreign key constraint DETAIL:  Key is still referenced from table \"%s\".", t.Name, name)
	}
	if bad := t.remove(at, api); bad != nil {
		return bad
	}
	for _, child := range t.named {
		child.naming(t, v.id, key, Cascade, func(r *row) bool {
			_ = s.remove(child, address{r, "", false}, false) // the child is gone already if another request deleted it
			return true
		})
	}
	return nil
}

// restricting finds a record that prevents another one from being deleted.
func (t *table) restricting(id int64, key string) (found *row, name string) {
	for _, child := range t.named {
		child.naming(t, id, key, Restrict, func(r *row) bool {
			found, name = r, child.Name
			return false
		})
		if found != nil {
			return found, name
		}
	}
	return nil, ""
}

// naming visits the records that name a record of target by a join with this rule.
func (t *table) naming(target *table, id int64, key, onDelete string, visit func(*row) bool) {
	for i := range t.joins {
		j := &t.joins[i]
		if j.target != target || j.OnDelete != onDelete {
			continue
		}
		for _, r := range t.snapshot() {
			if v, ok := t.read(r); ok && j.names(v, id, key) && !visit(r) {
				return
			}
		}
	}
}

// Hidden says that a record exists but Campaign does not show it.
func (s *Server) Hidden(resource, key string) bool {
	t, err := s.table(resource)
	if err != nil {
		return false
	}
	found, ok := t.find(key)
	return ok && t.hidden(found)
}

// LinkedTo is the key of the record that a link of a record leads to; "" when there is
// none. The link is named by its column, or by the link field where it has none.
func (s *Server) LinkedTo(resource, key, link string) string {
	t, err := s.table(resource)
	if err != nil {
		return ""
	}
	found, ok := t.find(key)
	if !ok {
		return ""
	}
	v, ok := t.read(found)
	for i := range t.joins {
		j := &t.joins[i]
		if !ok || j.Column != link && (j.Column != "" || j.Link != link) {
			continue
		}
		if target, there := j.of(v); there {
			if of, there := j.target.read(target); there {
				return value(of.data, j.target.key)
			}
		}
	}
	return ""
}

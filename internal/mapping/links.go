package mapping

// Link is a parent that a record names.
type Link struct {
	Table    string // mapping of the parent
	Key      string // id of the parent in Dynamics
	Required bool   // Campaign refuses the record while the parent is not there
}

// HasLinks says whether records of this mapping can name parents.
func (m *Mapper) HasLinks() bool { return len(m.links) > 0 }

// Requires says that Campaign refuses a record without its parent of a table.
func (m *Mapper) Requires(table string) bool {
	for _, i := range m.links {
		if f := &m.fields[i]; f.Parent == table && f.Target == ToLink {
			return true
		}
	}
	return false
}

// Links lists the parents that a payload names. A payload from the ledger may lack
// fields that were added to the mapping since; those name no parent.
func (m *Mapper) Links(p *Payload) []Link {
	var out []Link
	for _, i := range m.links {
		f := &m.fields[i]
		j, found := search(p.paths, f.To)
		if !found {
			continue
		}
		if literal := p.literal(j); len(literal) == 38 { // a GUID in quotes
			out = append(out, Link{Table: f.Parent, Key: string(literal[1:37]), Required: f.Target == ToLink})
		}
	}
	return out
}

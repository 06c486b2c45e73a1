package campaign

import (
	"fmt"
	"time"
)

// Extract plays the incremental query of a workflow (§6.4). It calls f with the given
// fields of every record whose last change lies between two moments, both included,
// oldest record first. values are as stored, "" for empty or false. f must not keep
// them.
func (s *Server) Extract(resource string, fields []string, since, until time.Time, f func(values []string, modified time.Time) error) error {
	t, err := s.table(resource)
	if err != nil {
		return err
	}
	at := make([]int, len(fields))
	for i, name := range fields {
		var ok bool
		if at[i], ok = t.byName[name]; !ok {
			return fmt.Errorf("resource %s: there is no field %q", resource, name)
		}
	}
	from, to := since.UnixMilli(), until.UnixMilli()
	all, out := make([]string, len(t.Fields)), make([]string, len(fields))
	t.each(&condition{hidden: true}, 0, func(_ int64, v view) bool {
		if v.modified < from || v.modified > to {
			return true
		}
		unpack(v.data, all)
		for i, field := range at {
			out[i] = all[field]
		}
		err = f(out, time.UnixMilli(v.modified).UTC())
		return err == nil
	})
	return err
}

package campaign

import (
	"fmt"
	"time"
)

// Extract is what a workflow reads with an incremental query (§6.4): it calls f
// with fields of every record last changed between two moments, both included,
// oldest record first. values are as stored: "" for what is empty or false; they
// are f's only while it runs.
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

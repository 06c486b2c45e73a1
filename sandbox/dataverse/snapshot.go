package dataverse

import (
	"cmp"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

type savedTable struct {
	Columns []string
	Keys    []string
	Version []int64
	Values  [][][]byte
	Gone    []savedGone
}

type savedGone struct {
	Key     string
	Version int64
	At      time.Time
}

type saved struct {
	Version int64
	Tables  map[string]savedTable
}

const snapshotFile = "dataverse.gob"

// Save writes all rows and tombstones to dir, replacing the last snapshot at once.
func (s *Server) Save(dir string) error {
	out := saved{Tables: map[string]savedTable{}}
	for set, t := range s.sets {
		if t.union != nil {
			continue
		}
		t.mu.RLock()
		var st savedTable
		for _, c := range t.Columns {
			st.Columns = append(st.Columns, c.Name)
		}
		t.scan("", func(r *row) bool {
			st.Keys, st.Version, st.Values = append(st.Keys, r.key), append(st.Version, r.version), append(st.Values, r.values())
			return true
		})
		for _, l := range t.log {
			if l.deleted {
				st.Gone = append(st.Gone, savedGone{l.key, l.version, time.Unix(0, l.at).UTC()})
			}
		}
		out.Version = s.version.Load()
		t.mu.RUnlock()
		out.Tables[set] = st
	}
	tmp := filepath.Join(dir, snapshotFile+".tmp")
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("saving the Dynamics sandbox: %w", err)
	}
	err = gob.NewEncoder(f).Encode(out)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, snapshotFile))
	}
	if err != nil {
		return fmt.Errorf("saving the Dynamics sandbox: %w", err)
	}
	return nil
}

// Load reads a snapshot; false when there is none.
func (s *Server) Load(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("loading the Dynamics sandbox: %w", err)
	}
	defer f.Close()
	var in saved
	if err := gob.NewDecoder(f).Decode(&in); err != nil {
		return false, fmt.Errorf("loading the Dynamics sandbox from %s: %w", f.Name(), err)
	}
	for set, st := range in.Tables {
		t := s.sets[set]
		if t == nil && len(st.Keys) == 0 {
			continue // the table was declared last time, but not now
		}
		if t == nil {
			return false, fmt.Errorf("the snapshot in %s holds %d rows of %s, a table that is not declared now; start with it, or delete the folder to start afresh", dir, len(st.Keys), set)
		}
		if len(st.Columns) != len(t.Columns) {
			return false, fmt.Errorf("the snapshot in %s is of another build; delete the folder to start afresh", dir)
		}
		t.restore(st)
	}
	s.version.Store(in.Version)
	return true, nil
}

// restore fills a table from a snapshot and rebuilds its log.
func (t *table) restore(st savedTable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range t.keys.Keys() {
		t.unset(key)
	}
	t.log = nil
	for i, key := range st.Keys {
		t.set(t.newRow(key, st.Version[i], st.Values[i]))
		t.log = append(t.log, logged{version: st.Version[i], key: key})
	}
	for _, g := range st.Gone {
		t.log = append(t.log, logged{version: g.Version, key: g.Key, deleted: true, at: g.At.UnixNano()})
	}
	slices.SortFunc(t.log, func(a, b logged) int { return cmp.Compare(a.version, b.version) })
}

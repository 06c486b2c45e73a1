package campaign

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const snapshotFile = "campaign.gob"

// savedTable begins a resource in a snapshot. As many savedRow follow as Rows says.
type savedTable struct {
	Name   string
	Fields []string
	Rows   int
}

type savedRow struct {
	Data              string
	Created, Modified int64
	Gone              bool
	Key               string // of a deleted row, for its write counts
	Writes            WriteCounts
}

// Version grows with every change of a record.
func (s *Server) Version() int64 {
	var sum int64
	for _, t := range s.tables {
		sum += t.version.Load()
	}
	return sum
}

// Save writes all records to dir and replaces the last snapshot in one step. If nothing
// has changed since, it does nothing. Records are read one by one, so a write at the
// same time is in this snapshot or in the next. The meter is not saved.
func (s *Server) Save(dir string) error {
	version := s.Version()
	if version == s.saved.Load() {
		return nil
	}
	tmp, err := os.CreateTemp(dir, snapshotFile+".*")
	if err != nil {
		return fmt.Errorf("saving the Campaign sandbox: %w", err)
	}
	err = s.write(tmp)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, snapshotFile))
	}
	if err != nil {
		return fmt.Errorf("saving the Campaign sandbox: %w", errors.Join(err, os.Remove(tmp.Name())))
	}
	s.saved.Store(version)
	return nil
}

func (s *Server) write(w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	enc := gob.NewEncoder(buffered)
	for _, name := range s.names {
		t := s.tables[name]
		rows := t.snapshot()
		if err := enc.Encode(savedTable{name, t.fieldNames(), len(rows)}); err != nil {
			return err
		}
		gone := t.goneKeys()
		for _, r := range rows {
			if err := enc.Encode(t.saved(r, gone)); err != nil {
				return err
			}
		}
	}
	return buffered.Flush()
}

func (t *table) fieldNames() []string {
	names := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		names[i] = f.Name
	}
	return names
}

// goneKeys finds the keys of deleted rows that no other row has taken since.
func (t *table) goneKeys() map[int64]string {
	out := map[int64]string{}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for key, r := range sh.rows {
			if r.gone {
				out[r.id] = key
			}
		}
		sh.mu.RUnlock()
	}
	return out
}

func (t *table) saved(r *row, gone map[int64]string) savedRow {
	unlock := t.lock(r, "")
	defer unlock()
	return savedRow{r.data, r.created, r.modified, r.gone, gone[r.id], r.writes}
}

// Load reads a snapshot into an empty server; false when there is none.
func (s *Server) Load(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, snapshotFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("loading the Campaign sandbox: %w", err)
	}
	defer f.Close()
	dec := gob.NewDecoder(bufio.NewReaderSize(f, 1<<20))
	for range s.names {
		var head savedTable
		if err := dec.Decode(&head); err != nil {
			return false, fmt.Errorf("loading the Campaign sandbox from %s: %w; delete the folder to start afresh", f.Name(), err)
		}
		t, ok := s.tables[head.Name]
		if !ok || !slices.Equal(head.Fields, t.fieldNames()) {
			return false, fmt.Errorf("loading the Campaign sandbox from %s: it is of another build; delete the folder to start afresh", f.Name())
		}
		if err := t.load(dec, head.Rows); err != nil {
			return false, fmt.Errorf("loading the Campaign sandbox from %s: %w; delete the folder to start afresh", f.Name(), err)
		}
	}
	s.saved.Store(s.Version())
	return true, nil
}

func (t *table) load(dec *gob.Decoder, n int) error {
	t.order = make([]*row, 0, n)
	for range n {
		var in savedRow
		if err := dec.Decode(&in); err != nil {
			return err
		}
		r := &row{id: int64(len(t.order) + 1), data: in.Data, created: in.Created, modified: in.Modified, gone: in.Gone, writes: in.Writes}
		t.order = append(t.order, r)
		key := in.Key
		if !in.Gone {
			key = strings.Clone(value(in.Data, t.key))
			t.live.Add(1)
		}
		r.shard.Store(t.shardOf(key))
		if key != "" {
			t.shards[t.shardOf(key)].rows[key] = r
		}
		t.version.Add(1)
	}
	return nil
}

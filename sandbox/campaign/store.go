package campaign

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const shards = 64

// table holds the records of one resource. A unique index on the business key is split
// into shards, each with its lock. The order of insertion serves for paging.
type table struct {
	Resource
	byName  map[string]int
	tree    map[string]node
	key     int
	stamps  []int // by field: the field that keeps the time of its last change; -1 = none
	all     int   // the field that keeps the time of the last change of any opt-out; -1 = none
	plans   map[string]*plan
	joins   []join
	hides   bool                // one of the joins has cardinality 1
	filters map[string][]string // parameters by name
	named   []*table            // the tables whose joins lead here
	values  sync.Pool           // *[]string, one text per field

	autoMu  sync.Mutex // held while a record gets a key that is made up
	seed    maphash.Seed
	shards  [shards]shard
	orderMu sync.RWMutex
	order   []*row // by id, from 1; deleted rows stay as gaps
	live    atomic.Int64
	version atomic.Int64 // moves with every write
}

type shard struct {
	mu   sync.RWMutex
	rows map[string]*row // deleted rows stay here, for their write counts
}

func newTable(r Resource) *table {
	t := &table{Resource: r, byName: map[string]int{}, tree: map[string]node{}, all: -1, seed: maphash.MakeSeed()}
	for i, f := range r.Fields {
		t.byName[f.Name] = i
		if item := f.item(); item == "" {
			t.tree[f.Name] = node{field: i}
		} else {
			if t.tree[item].inner == nil {
				t.tree[item] = node{inner: map[string]node{}}
			}
			t.tree[item].inner[f.leaf()] = node{field: i}
		}
	}
	t.key = t.byName[r.Key]
	t.filters = t.namedFilters()
	t.stamps = make([]int, len(r.Fields))
	for i, f := range r.Fields {
		t.stamps[i] = -1
		if j, ok := t.byName[f.Name+"LastModified"]; ok {
			t.stamps[i] = j
		}
		if j, ok := t.byName[f.Name+"AllLastModified"]; ok && t.all < 0 {
			t.all = j
		}
	}
	t.plans = map[string]*plan{"profileAndServices": t.plan(false, false), "": t.plan(true, false), everything: t.plan(true, true)}
	t.values.New = func() any { v := make([]string, len(r.Fields)); return &v }
	for i := range t.shards {
		t.shards[i].rows = map[string]*row{}
	}
	return t
}

func (t *table) shardOf(key string) uint32 {
	if key == "" {
		return 0
	}
	return uint32(maphash.String(t.seed, key) % shards) //nolint:gosec // below 64
}

// insert adds a record. Campaign reports one problem at a time, and that the key is
// taken only when there is no other.
func (t *table) insert(changes []change, now time.Time, api bool) (view, *problem) {
	values := t.values.Get().(*[]string)
	defer t.values.Put(values)
	clear(*values)
	t.apply(*values, changes, now)
	if t.Auto != "" && (*values)[t.key] == "" {
		t.autoMu.Lock()
		defer t.autoMu.Unlock()
		(*values)[t.key] = t.free()
	}
	key := (*values)[t.key]
	r := &row{data: string(pack(make([]byte, 0, 512), *values)), created: now.UnixMilli(), modified: now.UnixMilli()}
	r.shard.Store(t.shardOf(key))
	sh := &t.shards[t.shardOf(key)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if key != "" {
		if old, ok := sh.rows[key]; ok {
			if !old.gone {
				if api {
					old.writes.Refused++
				}
				return view{}, t.duplicate(key)
			}
			r.writes = old.writes
		}
	}
	if api {
		r.writes.Inserts++
	}
	t.append(r)
	if key != "" {
		sh.rows[strings.Clone(key)] = r // the key is a part of the body, which would stay in memory
	}
	return view{r.id, r.data, r.created, r.modified}, nil
}

// free makes up a key that no record has.
func (t *table) free() string {
	for n := t.live.Load() + 1; ; n++ {
		key := t.Auto + strconv.FormatInt(n, 10)
		if _, taken := t.find(key); !taken {
			return key
		}
	}
}

// complete says which mandatory field a new record lacks.
func (t *table) complete(changes []change) *problem {
	for _, name := range t.Mandatory {
		if !slices.ContainsFunc(changes, func(c change) bool { return c.field == t.byName[name] && c.value != "" }) {
			return failed("PGS-220000 PostgreSQL error: ERROR:  null value in column \"s%s\" violates not-null constraint", strings.ToLower(name))
		}
	}
	return nil
}

// insertTwin adds a record without a look at the index.
func (t *table) insertTwin(changes []change, now time.Time) {
	values := make([]string, len(t.Fields))
	t.apply(values, changes, now)
	r := &row{data: string(pack(make([]byte, 0, 512), values)), created: now.UnixMilli(), modified: now.UnixMilli()}
	r.shard.Store(t.shardOf(values[t.key]))
	t.append(r)
}

// append gives the row its internal id. The caller holds the lock of the shard.
func (t *table) append(r *row) {
	t.orderMu.Lock()
	t.order = append(t.order, r)
	r.id = int64(len(t.order))
	t.orderMu.Unlock()
	t.live.Add(1)
	t.version.Add(1)
}

// apply sets values and moves the stamp of every opt-out that changes (§3.1).
func (t *table) apply(values []string, changes []change, now time.Time) {
	for _, c := range changes {
		if stamp := t.stamps[c.field]; stamp >= 0 && values[c.field] != c.value {
			at := now.Format(wireTime)
			values[stamp] = at
			if t.all >= 0 {
				values[t.all] = at
			}
		}
		values[c.field] = c.value
	}
}

// find returns the row of a business key.
func (t *table) find(key string) (*row, bool) {
	sh := &t.shards[t.shardOf(key)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	r, ok := sh.rows[key]
	return r, ok && key != "" && !r.gone
}

// byID returns the row with an internal id.
func (t *table) byID(id int64) (*row, bool) {
	t.orderMu.RLock()
	defer t.orderMu.RUnlock()
	if id < 1 || id > int64(len(t.order)) {
		return nil, false
	}
	return t.order[id-1], true
}

// read returns a row as it is now; false when it was deleted.
func (t *table) read(r *row) (view, bool) {
	for {
		at := r.shard.Load()
		sh := &t.shards[at]
		sh.mu.RLock()
		if at == r.shard.Load() {
			defer sh.mu.RUnlock()
			return view{r.id, r.data, r.created, r.modified}, !r.gone
		}
		sh.mu.RUnlock()
	}
}

// address is a row and the key by which a caller named it: PKey or business key.
type address struct {
	row   *row
	name  string
	byKey bool
}

// update changes a row. Its key stays, unless it was empty until now and the
// row was named by PKey (§4.3).
func (t *table) update(at address, changes []change, now time.Time, api bool) *problem {
	r := at.row
	if len(changes) == 0 {
		if _, ok := t.read(r); !ok {
			return t.missing(at.name)
		}
		return nil
	}
	wanted := ""
	for _, c := range changes {
		if c.field == t.key {
			wanted = c.value
		}
	}
	unlock := t.lock(r, wanted)
	defer unlock()
	if r.gone {
		return t.missing(at.name)
	}
	key := value(r.data, t.key)
	if wanted != "" && wanted != key {
		other, taken := t.shards[t.shardOf(wanted)].rows[wanted]
		switch {
		case at.byKey:
			return t.inconsistent(key, wanted)
		case taken && !other.gone:
			return t.duplicate(wanted)
		case key != "" && !t.Rekey:
			return t.inconsistent(key, wanted)
		}
	}
	values := t.values.Get().(*[]string)
	defer t.values.Put(values)
	unpack(r.data, *values)
	t.apply(*values, changes, now)
	rekeyed := wanted != "" && key != "" && t.Rekey
	if key != "" && !rekeyed {
		(*values)[t.key] = key
	}
	r.data = string(pack(make([]byte, 0, len(r.data)+128), *values))
	r.modified = now.UnixMilli()
	if api {
		r.writes.Updates++
	}
	if rekeyed && wanted != key {
		delete(t.shards[t.shardOf(key)].rows, key)
	}
	if wanted != "" && (key == "" || rekeyed) {
		t.shards[t.shardOf(wanted)].rows[strings.Clone(wanted)] = r
		r.shard.Store(t.shardOf(wanted))
	}
	t.version.Add(1)
	return nil
}

// lock locks the row's shard and, when key is not "", that of the key as well.
func (t *table) lock(r *row, key string) (unlock func()) {
	for {
		at := r.shard.Load()
		other := at
		if key != "" {
			other = t.shardOf(key)
		}
		first, second := &t.shards[min(at, other)], &t.shards[max(at, other)]
		unlock = first.mu.Unlock
		first.mu.Lock()
		if first != second {
			second.mu.Lock()
			unlock = func() {
				second.mu.Unlock()
				first.mu.Unlock()
			}
		}
		if at == r.shard.Load() {
			return unlock
		}
		unlock()
	}
}

// remove deletes a row.
func (t *table) remove(at address, api bool) *problem {
	r := at.row
	unlock := t.lock(r, "")
	defer unlock()
	if r.gone {
		return t.missing(at.name)
	}
	r.gone, r.data = true, ""
	if api {
		r.writes.Deletes++
	}
	t.live.Add(-1)
	t.version.Add(1)
	return nil
}

// snapshot returns the rows so far, in order of insertion.
func (t *table) snapshot() []*row {
	t.orderMu.RLock()
	defer t.orderMu.RUnlock()
	return t.order[:len(t.order):len(t.order)]
}

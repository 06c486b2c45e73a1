package ledger

import (
	"context"
	"strconv"
	"strings"
)

// A statement costs more than a row, so rows go many at a time. Statements come
// in few sizes, because each size is a text of its own to prepare and keep. Any number of
// rows takes few statements of these; a list of keys takes one, because keys may be repeated.
var bulkSizes = [...]int{100, 64, 32, 16, 8, 4, 2, 1}

// bulk is a statement over a varying number of rows. In its parts {} is a
// parameter of the row, {1}, {2} … are parameters that all rows share; head and
// tail hold shared ones only.
type bulk struct {
	head, row, tail template
	keys            bool // a row is a key in a list, where it may be more than once
	sqlite          [len(bulkSizes)]string
	postgres        [len(bulkSizes)]string
}

// template is a statement's text between parameters, and the parameters: 0 is
// one of the row, n the nth shared one.
type template struct {
	text   []string // one more than params
	params []int
}

func newBulk(shared int, head, row, tail string) *bulk {
	b := &bulk{head: parse(head), row: parse(row), tail: parse(tail), keys: row == `{}`}
	for i, size := range bulkSizes {
		// SQLite looks numbered parameters up one by one, in linear time.
		b.sqlite[i] = b.write(size, func(int) string { return "?" })
		next := shared
		b.postgres[i] = b.write(size, func(param int) string {
			if param == 0 {
				next++
				param = next
			}
			return "$" + strconv.Itoa(param)
		})
	}
	bulks = append(bulks, b)
	return b
}

// bulks are all there are, for the test that looks at their plans.
var bulks []*bulk

func parse(text string) template {
	var t template
	for {
		before, rest, found := strings.Cut(text, "{")
		t.text = append(t.text, before)
		if !found {
			return t
		}
		number, after, _ := strings.Cut(rest, "}")
		n, _ := strconv.Atoi(number) // "" is 0
		t.params = append(t.params, n)
		text = after
	}
}

func (b *bulk) write(rows int, name func(param int) string) string {
	var out strings.Builder
	add := func(t template) {
		for i, param := range t.params {
			out.WriteString(t.text[i] + name(param))
		}
		out.WriteString(t.text[len(t.params)])
	}
	add(b.head)
	for i := range rows {
		if i > 0 {
			out.WriteByte(',')
		}
		add(b.row)
	}
	add(b.tail)
	return out.String()
}

// run executes b over n rows; add appends the parameters of row i.
func (b *bulk) run(ctx context.Context, l *Ledger, tx txn, shared []any, n int, add func(args []any, i int) []any) error {
	texts := &b.sqlite
	if l.postgres {
		texts = &b.postgres
	}
	var args, own []any
	for i := 0; i < n; {
		s := b.sizeFor(n - i)
		args = args[:0]
		if l.postgres {
			args = append(args, shared...)
		} else {
			args = b.head.fill(args, shared, nil)
		}
		for range bulkSizes[s] {
			if l.postgres {
				args = add(args, min(i, n-1))
			} else {
				own = add(own[:0], min(i, n-1))
				args = b.row.fill(args, shared, own)
			}
			i++
		}
		if !l.postgres {
			args = b.tail.fill(args, shared, nil)
		}
		if _, err := tx.ExecContext(ctx, texts[s], args...); err != nil {
			return err
		}
	}
	return nil
}

// sizeFor is the size of the next statement when n rows are left.
func (b *bulk) sizeFor(n int) int {
	s := 0
	for s < len(bulkSizes)-1 && bulkSizes[s] > n {
		s++
	}
	if b.keys && s > 0 && bulkSizes[s] < n {
		s-- // the last key fills it up
	}
	return s
}

// fill appends parameters in the order of the text.
func (t *template) fill(args, shared, own []any) []any {
	next := 0
	for _, param := range t.params {
		if param > 0 {
			args = append(args, shared[param-1])
			continue
		}
		args = append(args, own[next])
		next++
	}
	return args
}

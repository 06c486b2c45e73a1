package reconcile_test

import (
	"testing"

	"causeway.dev/internal/reconcile"
)

// What a decision costs beside mapping the row, which BenchmarkRead includes.
func BenchmarkDecide(b *testing.B) {
	r := cars(b)
	held := written(b, &r, beetle)
	renamed := beetle.but(func(c *car) { c.Name = "Golf" })
	for name, c := range map[string]struct {
		known reconcile.Known
		says  car
	}{
		"unchanged": {held, beetle},
		"created":   {reconcile.Known{}, beetle},
		"updated":   {held, renamed},
		"deleted":   {held, car{}},
	} {
		b.Run(name, func(b *testing.B) {
			e := entry(b, &r, &c.known, c.says)
			f := reconcile.Facts{Parents: garageThere, Guard: reconcile.GuardAllows}
			b.ReportAllocs()
			for b.Loop() {
				if a := r.Decide(&c.known, &e, &f); a.Needs != reconcile.NoFact {
					b.Fatal(a.Needs)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	r := cars(b)
	held := written(b, &r, beetle)
	row := beetle.row()
	b.ReportAllocs()
	for b.Loop() {
		if e, err := r.Read(&held, "2", row); err != nil || !e.Same {
			b.Fatal(err)
		}
	}
}

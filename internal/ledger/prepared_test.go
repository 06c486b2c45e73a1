package ledger

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"
)

// Prepared says how often the statements that SQLite's writer keeps were carried out, and
// how often SQLite prepared them anew, where it did.
func Prepared(t *testing.T, l *Ledger) (runs, anew map[string]int) {
	runs, anew = map[string]int{}, map[string]int{}
	err := l.sqlite.conn.c.Raw(func(driver any) error {
		// The driver does not offer it, so this looks inside.
		at := reflect.ValueOf(driver).Elem()
		db, thread := at.FieldByName("db"), at.FieldByName("tls")
		thread = reflect.NewAt(thread.Type().Elem(), thread.UnsafePointer())
		call := func(f any, args ...any) reflect.Value {
			in := []reflect.Value{thread}
			for _, a := range args {
				in = append(in, reflect.ValueOf(a))
			}
			return reflect.ValueOf(f).Call(in)[0]
		}
		var stmt uintptr
		for {
			stmt = uintptr(call(sqlite3.Xsqlite3_next_stmt, uintptr(db.Uint()), stmt).Uint())
			if stmt == 0 {
				return nil
			}
			text := cString(uintptr(call(sqlite3.Xsqlite3_sql, stmt).Uint()))
			status := func(what int32) int { return int(call(sqlite3.Xsqlite3_stmt_status, stmt, what, int32(0)).Int()) }
			runs[text] = status(sqlite3.SQLITE_STMTSTATUS_RUN)
			if n := status(sqlite3.SQLITE_STMTSTATUS_REPREPARE); n > 0 {
				anew[text] = n
			}
		}
	})
	require.NoError(t, err)
	return runs, anew
}

func cString(at uintptr) string {
	start := *(**byte)(unsafe.Pointer(&at)) // SQLite's memory does not move
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(start), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(start, n))
}

package exports_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/exports"
)

// BenchmarkDeliveryLog reads rows of some 400 bytes into events.
func BenchmarkDeliveryLog(b *testing.B) {
	b.ReportAllocs()
	f, err := exports.OpenEvents(exports.BroadLog, "f.csv", &rowsOf{n: b.N})
	require.NoError(b, err)
	for {
		if _, err := f.Next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

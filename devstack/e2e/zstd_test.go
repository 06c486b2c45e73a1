package e2e

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

func zstdReader(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) }

func zstdWriter(w io.Writer) io.WriteCloser {
	z, err := zstd.NewWriter(w)
	if err != nil {
		panic(err) // no option of ours is wrong
	}
	return z
}

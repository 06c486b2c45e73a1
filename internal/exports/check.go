package exports

import (
	"errors"
	"io"
)

// Check reads a file to its end, so that a fault of the file is found before any part
// of it is used. Rows that are refused are only counted. It fails with *FileError, or
// with the error of src.
func Check(kind Kind, file string, src io.Reader) (Counts, error) {
	var next func() error
	var counts func() Counts
	if kind == OptOuts {
		f, err := OpenOptOuts(file, src)
		if err != nil {
			return Counts{}, err
		}
		next, counts = func() error { _, err := f.Next(); return err }, f.Counts
	} else {
		f, err := OpenEvents(kind, file, src)
		if err != nil {
			return Counts{}, err
		}
		next, counts = func() error { _, err := f.Next(); return err }, f.Counts
	}
	for {
		err := next()
		if _, refused := errors.AsType[*RowError](err); err == nil || refused {
			continue
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return counts(), err
	}
}

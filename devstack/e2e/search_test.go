package e2e

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rare are made-up people whose values nobody else has. Their texts match markLike, which
// is too long to stand in random base64 by chance; their
// phones and birth dates are known by heart.
type rare struct {
	rng    *rand.Rand
	phones map[string]bool
	dates  map[string]bool
}

func newRare(seed uint64) *rare {
	return &rare{rand.New(rand.NewPCG(seed, 18)), map[string]bool{}, map[string]bool{}} //nolint:gosec // made-up people
}

// text is a rare name.
func (r *rare) text() string {
	name := []byte("Qxzq")
	for range 8 {
		name = append(name, byte('a'+r.rng.IntN(26)))
	}
	return string(name)
}

// person are the columns of a contact. Some names have what has to be escaped somewhere.
func (r *rare) person() map[string]any {
	first, last := r.text(), r.text()
	last += []string{"", "", ` "Ö'Neill"`, "<b>&", "\\ünal", "-" + r.text()}[r.rng.IntN(6)]
	phone := fmt.Sprintf("4915500%07d", r.rng.IntN(10_000_000))
	date := fmt.Sprintf("19%02d-%02d-%02d", r.rng.IntN(40), 1+r.rng.IntN(12), 1+r.rng.IntN(28)) // the sandbox's people are younger
	r.phones[phone], r.dates[date] = true, true
	return map[string]any{
		"firstname": first, "lastname": last, "emailaddress1": strings.ToLower(first) + "@" + strings.ToLower(r.text()) + ".example",
		"mobilephone": "+" + phone, "birthdate": date, "address1_city": r.text(),
	}
}

var (
	markLike   = regexp.MustCompile(`(?:Qxzq|qxzq)[a-z]{8}|QXZQ[A-Z]{8}`)
	phoneLike  = regexp.MustCompile(`4915500\d{7}`)
	dateLike   = regexp.MustCompile(`19[0-3]\d-\d\d-\d\d`)
	base64Like = regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}`)
	hexLike    = regexp.MustCompile(`[0-9A-Fa-f]{16,}`)
	toStd      = strings.NewReplacer("-", "+", "_", "/")
)

// find returns what of people stands in data: as it is, in UTF-16, in base64 of either
// alphabet, in hex, percent-encoded, or compressed, and each within the others.
func (r *rare) find(data []byte) []string { return r.within(data, 4) }

func (r *rare) within(data []byte, depth int) (found []string) {
	for _, text := range [][]byte{data, bytes.ReplaceAll(data, []byte{0}, nil)} { // the second is UTF-16
		if at := markLike.FindIndex(text); at != nil {
			found = append(found, around(text, at[0]))
		}
		for _, at := range phoneLike.FindAllIndex(text, -1) {
			if r.phones[string(text[at[0]:at[1]])] {
				found = append(found, around(text, at[0]))
			}
		}
		for _, at := range dateLike.FindAllIndex(text, -1) {
			if r.dates[string(text[at[0]:at[1]])] {
				found = append(found, around(text, at[0]))
			}
		}
	}
	if depth == 0 || len(found) > 0 {
		return found
	}
	for _, inner := range opened(data) {
		if found = append(found, r.within(inner, depth-1)...); len(found) > 0 {
			return found
		}
	}
	return found
}

func around(data []byte, at int) string {
	return fmt.Sprintf("%q", data[max(0, at-60):min(len(data), at+60)])
}

// opened is what data holds in another form.
func opened(data []byte) (out [][]byte) {
	for _, run := range base64Like.FindAll(data, -1) {
		text := toStd.Replace(string(run))
		for offset := range 4 { // where the base64 began is not known
			part := text[offset:]
			if len(part)%4 == 1 {
				part = part[:len(part)-1] // of what comes behind it
			}
			plain, err := base64.RawStdEncoding.DecodeString(part)
			if err == nil && worthwhile(plain) {
				out = append(out, plain)
			}
		}
	}
	for _, run := range hexLike.FindAll(data, -1) {
		for offset := range 2 {
			part := run[offset:]
			plain := make([]byte, len(part)/2)
			if _, err := hex.Decode(plain, part[:len(part)/2*2]); err == nil && worthwhile(plain) {
				out = append(out, plain)
			}
		}
	}
	if bytes.Contains(data, []byte("%")) {
		if plain, err := url.PathUnescape(strings.ToValidUTF8(string(data), "")); err == nil && plain != string(data) {
			out = append(out, []byte(plain))
		}
	}
	return append(out, unpacked(data)...)
}

// worthwhile says that something which was decoded is text or compressed, and no chance.
func worthwhile(plain []byte) bool {
	if len(unpacked(plain)) > 0 {
		return true
	}
	readable := 0
	for _, b := range plain {
		if b >= ' ' && b < 0x7f || b == 0 {
			readable++
		}
	}
	return readable*10 >= len(plain)*7
}

// unpacked are the compressed parts of data.
func unpacked(data []byte) (out [][]byte) {
	open := func(magic []byte, reader func(io.Reader) (io.Reader, error)) {
		for at := 0; ; {
			next := bytes.Index(data[at:], magic)
			if next < 0 {
				return
			}
			at += next
			if from, err := reader(bytes.NewReader(data[at:])); err == nil {
				if plain, _ := io.ReadAll(io.LimitReader(from, 1<<24)); len(plain) > 0 { // up to where it breaks off
					out = append(out, plain)
				}
			}
			at += len(magic)
		}
	}
	open([]byte{0x1f, 0x8b, 8}, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })
	for _, level := range []byte{0x01, 0x5e, 0x9c, 0xda} {
		open([]byte{0x78, level}, func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) })
	}
	open([]byte{0x28, 0xb5, 0x2f, 0xfd}, func(r io.Reader) (io.Reader, error) { return zstdReader(r) })
	return out
}

// What the search is to find is planted in every form, in the middle of other bytes.
func TestTheSearchFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	r := newRare(1)
	person := r.person()
	packed := func(text string, with func(io.Writer) io.WriteCloser) string {
		var out bytes.Buffer
		w := with(&out)
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.String()
	}
	forms := map[string]func(string) string{
		"as it is":  func(s string) string { return s },
		"uppercase": strings.ToUpper,
		"json":      func(s string) string { doc, _ := json.Marshal(map[string]string{"x": s}); return string(doc) },
		"base64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(`{"v":"` + s + `"}`)) },
		"base64, url": func(s string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`???{"v":"` + s + `"}`))
		},
		"base64 in base64": func(s string) string {
			return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("value " + s))))
		},
		"hex":            func(s string) string { return hex.EncodeToString([]byte(s)) },
		"percent":        func(s string) string { return url.QueryEscape(s) + "%41" },
		"UTF-16":         func(s string) string { return strings.Join(strings.Split(s, ""), "\x00") },
		"gzip":           func(s string) string { return packed(s, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }) },
		"zlib":           func(s string) string { return packed(s, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }) },
		"zstd":           func(s string) string { return packed(s, zstdWriter) },
		"zstd in base64": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(packed(s, zstdWriter))) },
	}
	for column, value := range person {
		for name, form := range forms {
			for _, before := range []string{"", "\x00\x12", `{"data":"`, "x y "} {
				planted := []byte(before + form(value.(string)) + `" and more`)
				require.NotEmpty(t, r.find(planted), "%s of %s after %q: %q", name, column, before, planted)
			}
		}
	}
	require.Empty(t, r.find([]byte(`{"contact":"5fd6f3a0-0000-4000-8000-000000000001","at":"2026-01-02T03:04:05Z","born":"1950-01-02"} cXh6 qxz 7178`)))
}

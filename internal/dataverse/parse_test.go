package dataverse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParsePage holds that a page is read whole or not at all: what it gives is
// JSON, each row with its key, and as many as the list has.
func FuzzParsePage(f *testing.F) {
	for _, body := range []string{
		`{"value":[{"@odata.etag":"W/\"1\"","contactid":"A"},{"@odata.context":"x/$deletedEntity","id":"B","reason":"deleted"}],"@odata.deltaLink":"l"}`,
		`{"value":[],"@odata.nextLink":"l"}`, `{"value":{}}`, `{"value":[1]}`, `{"value":[{"contactid":1}]}`, `{"value":[{}],"value":[]}`,
		`{"value":[{"contactid":"a"}`, `[]`, ``, `<html>`, `{"value":[{"contactid":{"contactid":"a"}}]}`, "{\"value\":[{\"contactid\":\"\xff\"}]}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := parsePage("op", body, "contactid")
		if err != nil {
			if page != nil {
				t.Fatal("a page and an error")
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("a page of what is not JSON")
		}
		for _, c := range page.Changes {
			if c.Key == "" || c.Deleted != (c.Raw == nil) || !c.Deleted && !json.Valid(c.Raw) {
				t.Fatalf("key %q, deleted %v, raw %q", c.Key, c.Deleted, c.Raw)
			}
		}
	})
}

// FuzzSplitAnswer holds that any body gives parts with statuses that are some,
// and that an answer is never longer than what was sent.
func FuzzSplitAnswer(f *testing.F) {
	whole := "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\n" +
		"HTTP/1.1 204 No Content\r\nOData-EntityId: x\r\n\r\n\r\n--c--\r\n--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n{\"error\":{}}\r\n--b--\r\n"
	for i := 0; i <= len(whole); i += 20 {
		f.Add([]byte(whole[:i]))
	}
	f.Add([]byte(whole))
	f.Add([]byte(strings.ReplaceAll(whole, "\r", "")))
	f.Add([]byte("--b\n\nHTTP/1.1 999 x\n--b\n\nHTTP/1.1\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		parts, complete := splitAnswer("b", body)
		if complete && !bytes.Contains(body, []byte("--b--")) {
			t.Fatal("complete without its last boundary")
		}
		var check func([]answerPart)
		total := 0
		check = func(parts []answerPart) {
			for _, p := range parts {
				if p.res != nil {
					total += len(p.res.Body)
					if p.res.Status < 100 || p.res.Status > 599 || p.nested != nil {
						t.Fatalf("status %d, %d nested", p.res.Status, len(p.nested))
					}
				}
				if p.contentID < 0 {
					t.Fatalf("content id %d", p.contentID)
				}
				check(p.nested)
			}
		}
		check(parts)
		if total > len(body) {
			t.Fatal("more than was sent")
		}
	})
}

func TestATruncatedAnswerGivesOnlyPartsThatAreWhole(t *testing.T) {
	t.Parallel()
	reply := "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{\"a\":1}\r\n"
	whole := reply + reply + "--b--\r\n"
	for i := range len(whole) {
		parts, complete := splitAnswer("b", []byte(whole[:i]))
		require.Equal(t, i >= len(whole)-len("\r\n"), complete, i)
		for _, p := range parts {
			require.Equal(t, `{"a":1}`, string(p.res.Body), i)
		}
		require.LessOrEqual(t, len(parts), i/len(reply), i)
	}
}

func BenchmarkParsePage(b *testing.B) {
	var page bytes.Buffer
	page.WriteString(`{"@odata.context":"https://o/api/data/v9.2/$metadata#contacts(firstname)","@odata.nextLink":"https://o/next","value":[`)
	for i := range 5000 {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"@odata.etag":"W/\"%d\"","firstname":"Ada","lastname":"Lovelace %d","emailaddress1":"ada.%d@example.test","birthdate":"1980-05-17",`+
			`"donotbulkemail":false,"statecode":0,"modifiedon":"2026-03-02T09:00:00Z","address1_city":"London","telephone1":null,"contactid":"11111111-2222-3333-4444-%012d"}`, 900000+i, i, i, i)
	}
	page.WriteString(`]}`)
	b.SetBytes(int64(page.Len()))
	b.ReportAllocs()
	for b.Loop() {
		got, err := parsePage("op", page.Bytes(), "contactid")
		if err != nil || len(got.Changes) != 5000 {
			b.Fatal(err)
		}
	}
}

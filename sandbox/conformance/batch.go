package conformance

import "strings"

const batchType = `Content-Type: multipart/mixed; boundary="b1"`

// part is an operation of a batch; of a change set when it has an id.
func part(id, method, path, body string) string {
	if id != "" {
		id = "Content-ID: " + id + "\r\n"
	}
	return "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n" + id + "\r\n" + method + " " + path + " HTTP/1.1\r\nContent-Type: application/json\r\n\r\n" + body + "\r\n"
}

func inBoundary(boundary string, all ...string) string {
	return "--" + boundary + "\r\n" + strings.Join(all, "--"+boundary+"\r\n") + "--" + boundary + "--\r\n"
}

func changeSet(all ...string) string {
	return "Content-Type: multipart/mixed; boundary=\"c1\"\r\n\r\n" + inBoundary("c1", all...)
}

func batch(row, name, body, want string) Check {
	return write(row, name, "POST", "$batch", body, want, batchType)
}

var (
	create = part("1", "POST", api+"contacts", `{"lastname":"x"}`)
	lines  = inBoundary("b1", part("", "POST", api+"contacts", `{"lastname":"x"}`))
)

// batchChecks are batches that are refused as a whole, so that none of their operations
// counts.
var batchChecks = []Check{
	batch("DV-B1", "lines that end in LF", strings.ReplaceAll(lines, "\r\n", "\n"), "400 0x80048d19").says("Stream was not readable."),
	batch("DV-B1", "no line end after the last boundary", strings.TrimSuffix(lines, "\r\n"), "400 0x80048d19").says("Stream was not readable."),
	batch("DV-B1", "no last boundary", strings.TrimSuffix(lines, "--b1--\r\n"), "400 0x80048d19"),
	batch("DV-B1", "another boundary", strings.ReplaceAll(lines, "b1", "b2"), "400 0x80048d19"),
	batch("DV-B2", "no operation", "--b1--\r\n", "400 0x80048d19"),
	batch("DV-B3", "a content id twice", inBoundary("b1", changeSet(create, create)), "400 0x80048d19").says("The content ID '1' was found more than once"),
	batch("DV-B4", "an operation of a change set without an id", inBoundary("b1", changeSet(part("", "POST", api+"contacts", `{}`))), "400 0x80060888"),
	batch("DV-B5", "a read in a change set", inBoundary("b1", changeSet(create, part("2", "GET", api+"contacts?$top=1", ""))), "400 0x80048d19"),
	batch("DV-B5", "a change set in a change set", inBoundary("b1", changeSet(changeSet(create))), "400 0x80048d19"),
	batch("DV-B5", "a batch in a batch", inBoundary("b1", part("", "POST", api+"$batch", "")), "400 0x80048d19"),
	batch("DV-B6", "more operations than a batch holds", inBoundary("b1", strings.Split(strings.Repeat(part("", "DELETE", api+nobody, "")+"|", 1001), "|")[:1001]...), "400 0x80040203"),
	write("DV-B7", "a batch of another type", "POST", "$batch", lines, "400 0x80048d19", "Content-Type: application/json"),
	batch("DV-B8", "a reference to what comes later", inBoundary("b1", changeSet(part("2", "POST", api+"tasks", `{"subject":"x","regardingobjectid_contact_task@odata.bind":"$1"}`), create)), "400 0x80060888").says("Content-ID Reference: '$1' does not exist in the batch context.").as(parts),
	batch("DV-B9", "a change set with one bad row", inBoundary("b1", changeSet(create, part("2", "POST", api+"contacts", `{"gendercode":3}`))), "400 0x8004431a").as(parts),
}

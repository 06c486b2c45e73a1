package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"causeway.dev/activities"
)

// NewClient sends messages. It follows no redirect: a webhook answers itself.
func NewClient(transport http.RoundTripper, timeout time.Duration) *http.Client {
	return &http.Client{Transport: transport, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// send posts a message. arrived says that it may have arrived, though it failed. Errors do
// not hold the address.
func (a *Activities) send(ctx context.Context, notices []activities.Notice) (arrived bool, err error) {
	address, err := a.o.Address()
	if err != nil {
		return false, err
	}
	body, err := a.body(notices)
	if err != nil {
		return false, err
	}
	var left atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { left.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("notify.webhook: its address cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := a.o.Client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // it begins with the address
		err = wrapped.Err
		if wrapped.Timeout() {
			err = errors.New("no answer in time")
		}
	}
	if err != nil {
		return left.Load(), errors.New(strings.ReplaceAll(err.Error(), address, "notify.webhook"))
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		// A gateway that did not wait for the answer does not know either.
		unsure := answer.StatusCode == http.StatusGatewayTimeout || answer.StatusCode == http.StatusBadGateway
		return unsure, fmt.Errorf("it answered with status %d", answer.StatusCode)
	}
	if kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); kind == "text/html" {
		return true, errPage
	}
	return true, nil
}

// message is the body with the format json.
type message struct {
	Instance string              `json:"instance"`
	At       time.Time           `json:"at"`
	Notices  []activities.Notice `json:"notices"`
}

func (a *Activities) body(notices []activities.Notice) ([]byte, error) {
	if a.o.Format == "json" {
		return json.Marshal(message{Instance: a.o.Instance, At: a.o.Now().UTC(), Notices: notices})
	}
	lines := make([]string, 0, len(notices))
	for _, n := range notices {
		lines = append(lines, slackText.Replace(line(a.o.Instance, n)))
	}
	return json.Marshal(map[string]string{"text": strings.Join(lines, "\n")})
}

// slackText keeps what Slack would take for marks.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// line says one notice for people.
func line(instance string, n activities.Notice) string {
	about := instance
	if n.Flow != "" {
		about += "/" + n.Flow
	}
	since := ""
	if !n.Since.IsZero() {
		since = ", since " + n.Since.UTC().Format("2006-01-02 15:04 UTC")
	}
	switch n.State {
	case activities.NoticeTrial:
		return "Causeway " + about + ": " + n.Text
	case activities.NoticeEnded:
		return "Causeway " + about + ": it is over (" + n.Name + since + ")"
	}
	urgent := ""
	if n.Critical {
		urgent = "needs somebody now: "
	}
	return "Causeway " + about + ": " + urgent + n.Text + " (" + n.Name + since + ")"
}

package transport

import (
	"sync"
	"time"

	"causeway.dev/internal/apierr"
)

const (
	spareLife  = 30 * time.Second // a token with less left is not used any more
	sparePause = 30 * time.Second // before another is asked for again
)

// HeldToken is the token in use. The zero value holds none.
type HeldToken struct {
	mu             sync.Mutex
	token          string
	renew, expires time.Time
}

// Fresh is the token; "" when another is to be asked for.
func (h *HeldToken) Fresh() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.token != "" && time.Now().Before(h.renew) {
		return h.token
	}
	return ""
}

// Hold keeps a token that lives for life. The next is asked for early before it ends.
func (h *HeldToken) Hold(token string, life, early time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.token, h.expires = token, time.Now().Add(life)
	h.renew = h.expires.Add(-early)
}

// Drop forgets token if it is the one in use, and tells whether it was.
func (h *HeldToken) Drop(token string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if token == "" || h.token != token {
		return false
	}
	h.token = ""
	return true
}

// Spare is the token in use if it still lives, where err kept the next one from
// coming for a passing reason; the next is then asked for a little later. "" when
// there is none, or err would not pass.
func (h *HeldToken) Spare(err *apierr.Error) string {
	if err.Class != apierr.Retryable && err.Class != apierr.Throttled {
		return ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.token == "" || time.Until(h.expires) < spareLife {
		return ""
	}
	h.renew = time.Now().Add(min(max(sparePause, err.RetryAfter), time.Until(h.expires)-spareLife))
	return h.token
}

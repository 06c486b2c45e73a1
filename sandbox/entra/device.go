package entra

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"causeway.dev/sandbox/kit"
)

const (
	devicePage = "/devicelogin"
	deviceLife = 15 * time.Minute
)

// device is a sign-in on a machine without a browser.
type device struct {
	client   App
	asked    asked
	code     string // that the user types
	expires  time.Time
	last     time.Time // question of the device
	user     string    // object id, once signed in
	declined bool
	used     bool
}

// letters of user codes: none that is taken for another one.
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

func userCode() string {
	raw := make([]byte, 9)
	_, _ = rand.Read(raw)
	for i, b := range raw {
		raw[i] = letters[int(b)%len(letters)]
	}
	return string(raw)
}

// deviceCode begins a sign-in on another machine.
func (s *Server) deviceCode(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	_ = r.ParseForm() // what cannot be read is missing
	id := r.PostForm.Get("client_id")
	client, known := s.app(id)
	fail := missing("client_id")
	if id != "" {
		fail = s.unknownApp(id)
	}
	var want asked
	if known {
		want, fail = s.scopes(client, r.PostForm.Get("scope"))
	}
	if fail != nil {
		s.fail(w, fail)
		return
	}
	name, d := unguessable(), &device{client: client, asked: want, code: userCode(), expires: s.o.Clock.Now().Add(deviceLife)}
	s.mu.Lock()
	for old, d := range s.devices {
		if s.o.Clock.Now().After(d.expires.Add(deviceLife)) {
			delete(s.devices, old)
		}
	}
	s.devices[name] = d
	s.mu.Unlock()
	where := "https://" + r.Host + devicePage
	kit.WriteJSON(w, http.StatusOK, map[string]any{
		"user_code": d.code, "device_code": name, "verification_uri": where, "expires_in": int(deviceLife.Seconds()), "interval": int(s.o.DeviceInterval.Seconds()),
		"message": "To sign in, use a web browser to open the page " + where + " and enter the code " + d.code + " to authenticate.",
	})
}

// deviceToken answers a device that asks whether its user has signed in.
func (s *Server) deviceToken(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	client, fail := s.client(f)
	if fail == nil && f.Get("device_code") == "" {
		fail = missing("device_code")
	}
	var g grant
	if fail == nil {
		g, fail = s.takeDevice(client, f.Get("device_code"))
	}
	if fail != nil {
		s.fail(w, fail)
		return
	}
	s.answerTokens(w, r, g)
}

// takeDevice uses a device code up, once its user has signed in. A device that asks a
// second earlier than it may is told to slow down; nobody's clock is that exact.
func (s *Server) takeDevice(client App, code string) (grant, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, known := s.devices[code]
	now := s.o.Clock.Now()
	switch {
	case !known || d.client.ClientID != client.ClientID || d.used:
		return grant{}, bad("bad_verification_code", 70018, "Invalid verification code. The device_code is not one that was issued to the application.")
	case now.After(d.expires):
		return grant{}, bad("expired_token", 70019, "The verification code expired. Have the user retry the sign-in.")
	case d.declined:
		return grant{}, bad("authorization_declined", 70017, "The end user denied the authorization request.")
	case d.user != "":
		d.used = true
		return grant{client: client.ClientID, user: d.user, asked: d.asked}, nil
	}
	early := !d.last.IsZero() && now.Sub(d.last) < s.o.DeviceInterval-time.Second
	d.last = now
	if early {
		return grant{}, bad("slow_down", 70016, "The device asks more often than its interval allows.")
	}
	return grant{}, bad("authorization_pending", 70016, "OAuth 2.0 device flow error. Authorization is pending. Continue polling.")
}

// deviceLogin is the page on which a user types the code that a device shows.
func (s *Server) deviceLogin(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // what cannot be read is missing
	if r.Method != http.MethodPost {
		s.page(w, http.StatusOK, "code", map[string]any{"Code": r.Form.Get("otc")})
		return
	}
	typed := strings.ToUpper(strings.TrimSpace(r.PostForm.Get("otc")))
	s.mu.Lock()
	var v visit
	for name, d := range s.devices {
		if d.code == typed && d.user == "" && !d.declined && s.o.Clock.Now().Before(d.expires) {
			v = visit{client: d.client, asked: d.asked, device: name, deadline: d.expires}
		}
	}
	s.mu.Unlock()
	if v.device == "" {
		s.page(w, http.StatusBadRequest, "code", map[string]any{"Code": typed, "Wrong": true})
		return
	}
	s.pickPage(w, r, s.open(v), v)
}

// decideDevice tells a device, when it asks next, who has signed in.
func (s *Server) decideDevice(w http.ResponseWriter, v *visit, u User, declined bool) {
	s.mu.Lock()
	if d := s.devices[v.device]; d != nil {
		d.declined = declined
		if !declined {
			d.user = u.ObjectID
		}
	}
	s.mu.Unlock()
	text := "You have signed in to " + v.client.Name + " on your device. You may now close this window."
	if declined {
		text = "You have not signed in. You may now close this window."
	}
	s.page(w, http.StatusOK, "said", said{v.client.Name, text})
}

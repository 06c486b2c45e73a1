package session

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	partSize = 3600 // browsers keep 4096 bytes a cookie, with its name and what goes with it
	maxParts = 6    // servers take some 32 kB of headers
)

// Cookies writes and reads encrypted cookies. A long one is several in the browser, each
// with a number; the first begins with how many there are.
type Cookies struct {
	Suffix string // of the names: two consoles of one machine differ by port, which cookies do not
	Secure bool   // https alone
	code   *securecookie.SecureCookie
}

// NewCookies makes cookies whose keys come from a secret, which several copies of the
// console share. "" makes keys of this process: what it wrote ends with it.
func NewCookies(secret, suffix string, secure bool) (*Cookies, error) {
	keys := securecookie.GenerateRandomKey(96)
	if secret != "" {
		if len(secret) < minSecret {
			return nil, fmt.Errorf("it has %d characters, want %d or more that nobody can guess, as openssl rand -base64 48 makes", len(secret), minSecret)
		}
		var err error
		if keys, err = hkdf.Key(sha256.New, []byte(secret), nil, "causeway console cookies", 96); err != nil {
			return nil, err
		}
	}
	code := securecookie.New(keys[:64], keys[64:])
	code.SetSerializer(securecookie.JSONEncoder{})
	code.MaxAge(0) // the end stands inside
	code.MaxLength(0)
	return &Cookies{Suffix: suffix, Secure: secure, code: code}, nil
}

// minSecret is the least length of a secret for keys.
const minSecret = 32

// Name is that of a cookie in the browser.
func (c *Cookies) Name(name string) string { return "causeway_" + name + c.Suffix }

func (c *Cookies) part(name string, n int) string {
	if n == 0 {
		return c.Name(name)
	}
	return c.Name(name) + "_" + strconv.Itoa(n)
}

// Write sets a cookie that lasts for a time.
func (c *Cookies) Write(w http.ResponseWriter, name string, value any, lasts time.Duration) error {
	text, err := c.code.Encode(c.Name(name), value)
	if err != nil {
		return err
	}
	parts := (len(text) + partSize - 1) / partSize
	if parts > maxParts {
		return errors.New("it is too long for cookies")
	}
	for n := range parts {
		value := text[n*partSize : min(len(text), (n+1)*partSize)]
		if n == 0 {
			value = strconv.Itoa(parts) + "." + value
		}
		c.set(w, c.part(name, n), value, int(lasts.Seconds()))
	}
	return nil
}

// Remove has the browser forget a cookie.
func (c *Cookies) Remove(w http.ResponseWriter, r *http.Request, name string) {
	for n := range maxParts {
		if _, err := r.Cookie(c.part(name, n)); n == 0 || err == nil {
			c.set(w, c.part(name, n), "", -1)
		}
	}
}

func (c *Cookies) set(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode})
}

// Read reads a cookie into a pointer, and says whether there is one that we wrote.
func (c *Cookies) Read(r *http.Request, name string, into any) bool {
	first, err := r.Cookie(c.Name(name))
	if err != nil {
		return false
	}
	count, text, _ := strings.Cut(first.Value, ".")
	parts, err := strconv.Atoi(count)
	if err != nil || parts < 1 || parts > maxParts {
		return false
	}
	for n := 1; n < parts; n++ {
		next, err := r.Cookie(c.part(name, n))
		if err != nil {
			return false
		}
		text += next.Value
	}
	return c.code.Decode(c.Name(name), text, into) == nil
}

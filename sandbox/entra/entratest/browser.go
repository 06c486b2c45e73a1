// Package entratest signs made-up people in at the sandbox of Entra ID as a browser would:
// it reads the form of the page, fills it in and follows where it leads. Tests call it.
package entratest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Browser is somebody in front of a browser.
type Browser struct {
	Client *http.Client // trusts the sandbox
	As     string       // username of the person to pick; "" presses Cancel
}

// Page is where a browser ended up.
type Page struct {
	URL    *url.URL
	Status int
	Text   string
}

var (
	action = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	ctx    = regexp.MustCompile(`name="ctx" value="([^"]+)"`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
	person = regexp.MustCompile(`(?s)<input type="radio" name="user" value="([^"]+)".*?<small>([^;<]+);`)
)

// SignIn opens an address at which an application wants somebody to sign in, and signs in.
// It follows redirects, also to the application.
func (b Browser) SignIn(ctx context.Context, address string) (Page, error) {
	page, err := b.Open(ctx, address)
	if err != nil {
		return page, err
	}
	return b.pick(ctx, page)
}

// EnterCode types the code that a device shows, and signs in.
func (b Browser) EnterCode(ctx context.Context, address, code string) (Page, error) {
	page, err := b.submit(ctx, address, url.Values{"otc": {code}})
	if err != nil || page.Status != http.StatusOK {
		return page, err
	}
	return b.pick(ctx, page)
}

// Open reads one page.
func (b Browser) Open(ctx context.Context, address string) (Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Page{}, err
	}
	return b.do(req)
}

func (b Browser) pick(c context.Context, page Page) (Page, error) {
	form, name := action.FindStringSubmatch(page.Text), ctx.FindStringSubmatch(page.Text)
	if form == nil || name == nil {
		return page, fmt.Errorf("no form to sign in with on %s: %s", page.URL.Path, page.Text)
	}
	fill := url.Values{"ctx": {name[1]}, "action": {"cancel"}}
	if b.As != "" {
		fill.Set("action", "signin")
		for _, found := range person.FindAllStringSubmatch(page.Text, -1) {
			if html.UnescapeString(found[2]) == b.As {
				fill.Set("user", found[1])
			}
		}
		if !fill.Has("user") {
			return page, errors.New("nobody to pick is called " + b.As)
		}
	}
	to, err := page.URL.Parse(html.UnescapeString(form[1]))
	if err != nil {
		return page, err
	}
	page, err = b.submit(c, to.String(), fill)
	if err != nil || !strings.Contains(page.Text, "document.forms[0].submit()") {
		return page, err
	}
	return b.sendOn(c, page) // as the page's script does
}

// sendOn carries the answer to an application that wants it as a form.
func (b Browser) sendOn(c context.Context, page Page) (Page, error) {
	form, fill := action.FindStringSubmatch(page.Text), url.Values{}
	for _, found := range hidden.FindAllStringSubmatch(page.Text, -1) {
		fill.Add(html.UnescapeString(found[1]), html.UnescapeString(found[2]))
	}
	return b.submit(c, html.UnescapeString(form[1]), fill)
}

func (b Browser) submit(c context.Context, address string, fill url.Values) (Page, error) {
	req, err := http.NewRequestWithContext(c, http.MethodPost, address, strings.NewReader(fill.Encode()))
	if err != nil {
		return Page{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

func (b Browser) do(req *http.Request) (Page, error) {
	res, err := b.Client.Do(req)
	if err != nil {
		return Page{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return Page{res.Request.URL, res.StatusCode, string(text)}, err
}

package campaign_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/kit"
)

// BenchmarkPostTLS inserts profiles over kept TLS connections. The figure includes the
// work of the client; that of BenchmarkPost does not.
func BenchmarkPostTLS(b *testing.B) {
	s := benchServer()
	server := httptest.NewUnstartedServer(s)
	server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	server.StartTLS()
	defer server.Close()
	client := server.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	var n atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := benchRequest(server.URL, n.Add(1))
			res, err := client.Do(req)
			if err != nil || res.StatusCode != http.StatusCreated {
				b.Error("not created", err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// BenchmarkPost is the handler without a network.
func BenchmarkPost(b *testing.B) {
	s := benchServer()
	b.ReportAllocs()
	for i := range b.N {
		req := benchRequest("http://sandbox", int64(i))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		require.Equal(b, http.StatusCreated, w.Code)
	}
}

func benchServer() *campaign.Server {
	return campaign.New(campaign.Options{
		Clock: &kit.Clock{}, Faults: &kit.Faults{}, Tokens: anyToken{}, APIKey: "key", Tenant: "acme",
	})
}

func benchRequest(url string, n int64) *http.Request {
	body := fmt.Appendf(nil, `{"externalId":"5a4db0c5-0000-4000-8000-%012d","email":"kvaulmo.brandtsen.%d@example.test","firstName":"Kvaulmo",`+
		`"lastName":"Brandtsen","middleName":"Q","salutation":"Dr","birthDate":"1970-02-03","gender":"female","mobilePhone":"+479012345678",`+
		`"phone":"+472112345678","location":{"address1":"Kestrelgate 12","address2":"3rd floor","city":"Farsund","zipCode":"04550","countryCode":"NO"},`+
		`"blackListEmail":true,"blackListPhone":false,"blackListPostalMail":false,"ccpaOptOut":false,"preferredLanguage":"nb"}`, n, n)
	req, err := http.NewRequest(http.MethodPost, url+"/acme/campaign/profileAndServicesExt/profile", bytes.NewReader(body))
	if err != nil {
		panic(err) // unreachable: the address is constant
	}
	req.Header = http.Header{"Authorization": {"Bearer t"}, "X-Api-Key": {"key"}, "Content-Type": {"application/json"}}
	return req
}

type anyToken struct{}

func (anyToken) Valid(string) bool { return true }

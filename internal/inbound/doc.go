// Package inbound is what the HTTP handlers of the login server share about who calls: the tenant and the application of a request
// (finder.go), whether the application is who it says (authenticate.go), what hooks and logs are told of the request (request.go), and the
// cookies of a browser (cookies.go). How a refusal looks is each handler's own business.
package inbound

// Package webhook is what one webhook request is: its body and signature, where it may go, what its answer means, and when
// to try again. It knows neither deliveries nor the rows of hooks: who sends keeps those, and asks here.
//
// An asynchronous webhook is sent for a committed event until its receiver answers 2xx; a synchronous one is asked before a
// write, and its answer decides.
//
//	id.go        the event's id and the webhook-id, the same for every attempt, restart and replay
//	body.go      the body, built once per event and trigger; entity.go names what the event is about
//	syncbody.go  the body of a question that is asked before a write
//	conceal.go   what no body may contain
//	sign.go      Standard Webhooks signatures, with several secrets while one is being replaced
//	header.go    the headers that a hook may add
//	dial.go      the dial guard: which addresses may be dialled, looked at when they are; url.go looks at a URL beforehand
//	send.go      one request and its answer; answer.go is what is kept of it, logdetails.go what the tenant's log says
//	outcome.go   what an answer means for a delivery; retryafter.go reads the header
//	schedule.go  when to try again, and when never again
//	endpoint.go  whether an endpoint takes a request now: its breaker (breaker.go), its throttle (throttle.go)
//	limit.go     the rate that a hook's owner chose
//	decision.go  what a synchronous webhook's answer decides; metadata.go merges what it returned
//
// To send: [Endpoints.Enter] says when, [Client.Send] sends, [Judge] says what the answer means, and [Pass.Done] tells the
// endpoint; [Schedule.Next] then has the time of the next attempt, if there is to be one.
package webhook

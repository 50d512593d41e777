// Server-sent events by fetch, which carries a key where EventSource cannot.
// @ts-check

/** @typedef {{name: string, id: string, data: string}} ServerEvent */

/** The events of a body, as they come. @param {ReadableStream<Uint8Array>} body @returns {AsyncGenerator<ServerEvent>} */
export async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    rest += value;
    // An event ends with an empty line.
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      const event = {name: 'message', id: '', data: ''};
      for (const line of rest.slice(0, end).split('\n')) {
        const colon = line.indexOf(':');
        if (colon <= 0) continue;  // a comment keeps the connection
        const text = line.slice(colon + 1).replace(/^ /, '');
        if (line.startsWith('event:')) event.name = text;
        if (line.startsWith('id:')) event.id = text;
        if (line.startsWith('data:')) event.data += text;
      }
      if (event.data !== '') yield event;
    }
  }
}

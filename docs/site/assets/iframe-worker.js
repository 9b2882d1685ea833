// Browsers start no worker from a page that was opened as a file. Here the search's worker runs in a
// hidden frame instead, with the parts of a worker that the search uses; messages are copied, as
// between a page and a worker.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.appendChild(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => {
        this.onmessage?.(new MessageEvent("message", { data: structuredClone(data) }));
      };
      this.ready = new Promise((done, failed) => {
        const script = this.frame.contentDocument.createElement("script");
        script.src = url;
        script.onload = done;
        script.onerror = failed;
        this.frame.contentDocument.body.appendChild(script);
      });
      this.ready.catch(() => this.onerror?.(new Event("error")));
    }

    postMessage(data) {
      const copy = structuredClone(data);
      this.ready.then(() => this.frame.contentWindow.onmessage?.({ data: copy }), () => {});
    }

    terminate() {
      this.frame.remove();
    }
  };
}

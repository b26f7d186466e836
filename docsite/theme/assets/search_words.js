// Between the field of the search and Material's script, whose name is this file's query: an error message becomes words.
//
// lunr reads a part of the punctuation as its language: `-P` excludes pages, `"` and `+` require a word, `--json` is an error
// that finds nothing. Material also finds every word that begins with a typed one, so that `it` finds all pages, and the
// profile `dev` the word "device"; `^1` after a word prevents it.

const SHORT = 5;

/** Return the words of a message: without the program's name, paths, punctuation and stop words, if any others remain. */
function toWords(message) {
    const typed = message.split(/\s+/).filter(Boolean);
    const said = typed.filter((word) => !/[/\\@]|^cta-data(-direct)?:?$/.test(word));
    const words = (said.length ? said : typed).join(" ").split(/[^\p{L}\p{N}_]+/u);
    const rare = words.filter((word) => word.length > 1 && lunr.stopWordFilter(word.toLowerCase()));
    const kept = (rare.length ? rare : words).filter(Boolean);
    return kept.map((word, at) => (word.length < SHORT && at < kept.length - 1 ? `${word}^1` : word)).join(" ");
}

// its listener comes before Material's, and both get the same object
addEventListener("message", ({ data }) => { if (typeof data.data === "string") data.data = toWords(data.data); });
importScripts(`javascripts/workers/${location.search.slice(1)}`);

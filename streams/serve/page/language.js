// Which language is spoken: the one that was chosen here, else the first of the browser's that there is, else English.

const KNOWN = ["en", "de"];

export const language = [localStorage.getItem("language"), ...navigator.languages.map((each) => each.slice(0, 2).toLowerCase()), "en"].find((each) => KNOWN.includes(each));
export const {words} = await import(`/page/${language}.js`);

document.documentElement.lang = language;

// The page is spoken in the next language from here on.
export function switchLanguage() {
  localStorage.setItem("language", KNOWN[(KNOWN.indexOf(language) + 1) % KNOWN.length]);
  location.reload();
}

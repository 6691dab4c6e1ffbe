/** The names and things that stories are about. */

/** A person, with the pronouns that a sentence needs. */
export interface Person {
  readonly name: string;
  /** he, she */
  readonly they: string;
  /** He, She */
  readonly They: string;
  /** his, her */
  readonly their: string;
  /** him, her */
  readonly them: string;
}

/** A countable thing. */
export interface Thing {
  readonly one: string;
  readonly many: string;
}

const person = (they: string, their: string, them: string) => (name: string) => ({
  name,
  they,
  They: they === "she" ? "She" : "He",
  their,
  them,
});

export const women: readonly Person[] = (
  "Ada Alice Amina Anna Beatriz Bella Carmen Chloe Clara Daria Elena Emma Esther Fatima Fiona Grace " +
  "Hana Hannah Ingrid Iris Jasmine Julia Kavya Keiko Laura Leila Lena Lucy Maria Maya Mei Mia Nadia " +
  "Nina Nora Olga Olivia Paula Priya Rosa Ruth Sara Sofia Tanya Tessa Vera Wendy Yuki Zoe"
)
  .split(" ")
  .map(person("she", "her", "her"));

export const men: readonly Person[] = (
  "Aaron Adam Ahmed Ali Anton Ben Boris Carlos Chen Daniel David Diego Emil Eric Ethan Felix Finn " +
  "George Hassan Henry Hugo Ivan Jack Jacob James Jonas Karim Kenji Leo Liam Luca Marco Mateo Max " +
  "Miguel Nathan Noah Omar Oscar Pablo Pavel Peter Rafael Raj Sam Samuel Simon Theo Thomas Tom Victor Will"
)
  .split(" ")
  .map(person("he", "his", "him"));

/** "box:boxes card" becomes two things; the plural defaults to an added s. */
const list = (text: string): readonly Thing[] =>
  text.split(", ").map((entry) => {
    const [one = "", many = `${one}s`] = entry.split(":");
    return { one, many };
  });

export const things = {
  fruit: list(
    "apple, pear, orange, banana, mango, lemon, peach:peaches, plum, melon, kiwi, fig, lime, apricot, coconut, grapefruit:grapefruits",
  ),
  vegetable: list(
    "carrot, onion, tomato:tomatoes, potato:potatoes, pepper, cucumber, pumpkin, turnip, radish:radishes, cabbage, beet",
  ),
  sweet: list(
    "cookie, muffin, cupcake, brownie, donut, candy:candies, chocolate, lollipop, caramel, pastry:pastries, macaron, gumdrop, waffle",
  ),
  stationery: list(
    "pencil, pen, notebook, eraser, marker, ruler, crayon, folder, envelope, sketchbook, stapler, glue stick, paintbrush:paintbrushes, highlighter",
  ),
  collectible: list(
    "marble, sticker, stamp, coin, seashell, postcard, trading card, bottle cap, button, bead, badge, comic book, toy car, model plane, key chain, magnet, fossil, dinosaur figure, puzzle, medal",
  ),
  clothing: list(
    "shirt, hat, scarf:scarves, sweater, belt, jacket, dress:dresses, T-shirt, cap, tie, skirt, coat, hoodie, vest",
  ),
  flower: list(
    "rose, tulip, daisy:daisies, lily:lilies, sunflower, orchid, violet, iris:irises, poppy:poppies",
  ),
  animal: list(
    "cow, sheep:sheep, goat, pig, horse, rabbit, duck, chicken, goose:geese, turkey, llama, donkey",
  ),
  craft: list(
    "candle, bracelet, necklace, basket, bowl, mug, vase, wooden spoon, picture frame, birdhouse, lantern, toy boat, keyring, clay pot, quilt, kite",
  ),
  machinePart: list(
    "bolt, screw, gear, lamp, battery:batteries, brick, tile, bottle, pipe, wheel, spring, switch:switches, cable, hinge",
  ),
  gift: list(
    "book, board game, puzzle, basketball, soccer ball, backpack, lamp, blanket, camera, watch:watches, skateboard, telescope, guitar, bicycle, tent, robot kit",
  ),
  tree: list(
    "apple tree, pear tree, cherry tree, oak tree, pine tree, maple tree, lemon tree, olive tree, plum tree, orange tree",
  ),
} as const;

export type ThingKind = keyof typeof things;
